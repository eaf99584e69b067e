import Testing
@testable import Engine

@Suite struct ReloadPlanTests {
  private struct Table: PlannedSettings {
    var name: String
    var scope = "a"
    var path = "/run/a"

    func change(from former: Self) -> TokenChange {
      TokenChange(needsNewToken: scope != former.scope, movesFiles: path != former.path)
    }
  }

  @Test func tablesThatDidNotChangeAreLeftAlone() {
    let tables = [Table(name: "a"), Table(name: "b")]
    let plan = ReloadPlan(from: tables, to: tables.reversed())
    #expect(plan.removed.isEmpty && plan.changed.isEmpty && plan.added.isEmpty)
  }

  @Test func itNamesWhatIsRemovedChangedAndAdded() {
    let plan = ReloadPlan(
      from: [Table(name: "a"), Table(name: "b"), Table(name: "c")],
      to: [Table(name: "b", scope: "b"), Table(name: "d"), Table(name: "c", path: "/run/c")])
    #expect(plan.removed == ["a"])
    #expect(plan.added.map(\.name) == ["d"])
    #expect(plan.changed.map(\.settings.name) == ["b", "c"])
    #expect(plan.changed.map(\.change.needsNewToken) == [true, false])
    #expect(plan.changed.map(\.change.movesFiles) == [false, true])
  }

  @Test func aChangeOfTheStorageConcernsAllTables() {
    let tables = [Table(name: "a"), Table(name: "b")]
    let plan = ReloadPlan(from: tables, to: tables, isStorageChanged: true)
    #expect(plan.changed.map(\.settings.name) == ["a", "b"])
    #expect(plan.changed.allSatisfy { !$0.change.needsNewToken && !$0.change.movesFiles })
  }
}

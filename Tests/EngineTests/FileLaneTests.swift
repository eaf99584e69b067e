import Testing
@testable import Base
@testable import Engine

@Suite struct FileLaneTests {
  private static func at(_ seconds: Double) -> BootTime { BootTime(seconds: seconds) }

  @Test func itRunsOneWorkAndRemembersThatThereIsMore() {
    var lane = FileLane()
    var last: UInt64 = 7
    let first = lane.begin(.publish, after: &last, at: Self.at(1))
    let second = lane.begin(.remove, after: &last, at: Self.at(1))
    #expect(first == 8 && second == nil && lane.running?.number == 8)
    let end = lane.end(8)
    #expect(end?.work == .publish && end?.isBehind == true && lane.running == nil)
    let next = lane.begin(.publish, after: &last, at: Self.at(2))
    #expect(next == 9, "a number is used once")
    let late = lane.end(8)
    #expect(late == nil, "a late result does not free the lane")
    let again = lane.end(9)
    #expect(again?.isBehind == false)
  }

  @Test func anExaminationIsNotRepeated() {
    var lane = FileLane()
    var last: UInt64 = 0
    _ = lane.begin(.publish, after: &last, at: Self.at(1))
    #expect(lane.begin(.examine, after: &last, at: Self.at(1)) == nil)
    let end = lane.end(1)
    #expect(end?.isBehind == false)
  }

  @Test func aHangIsReportedOnceForEachWish() {
    var lane = FileLane()
    var last: UInt64 = 0
    _ = lane.begin(.examine, after: &last, at: Self.at(1))
    #expect(lane.hangsAt == nil, "an examination keeps no token from its file")
    _ = lane.begin(.publish, after: &last, at: Self.at(10))
    #expect(lane.hangsAt == Self.at(15))
    let reports = [14.9, 15, 16].map { lane.reportsHang(at: Self.at($0)) }
    #expect(reports == [false, true, false])
    _ = lane.begin(.publish, after: &last, at: Self.at(20))
    #expect(lane.hangsAt == Self.at(25))
    _ = lane.end(1)
    #expect(lane.hangsAt == nil)
  }
}

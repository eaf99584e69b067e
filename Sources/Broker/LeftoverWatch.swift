import Base
public import Dispatch
import Engine
import Files
import Glibc
import Publication
import Settings
import Synchronization

/// Removes the tokens of the previous run when they expire, until the broker manages them.
///
/// The start can take long, because the configuration can be on a file system that hangs. Applications must not find an
/// expired token meanwhile.
public final class LeftoverWatch: Sendable {
  /// The files of one token of the previous run, and the expiry of the last token that they can hold.
  private struct Leftover: Sendable {
    var state: String
    var paths: [String]
    var expiresAt: BootTime
  }

  private struct State {
    var leftovers: [Leftover] = []
    /// The state files of tokens that the broker manages.
    var released: Set<String> = []
    var isLookDue = false
  }

  private let state = Mutex(State())
  private let queue: DispatchQueue

  /// Removes what has expired in the runtime directory before it returns, and the rest in time, on `queue`.
  ///
  /// - Parameter directory: the runtime directory. The previous run's `status.json` there names the files elsewhere.
  public init(_ directory: String, queue: DispatchQueue) {
    self.queue = queue
    let here = Self.states(in: directory)
    for path in here { add(path) }
    removeExpired()
    // A directory elsewhere can be on a disk that hangs. This must not delay the others.
    FileCalls.start("leftovers") { [self] in
      for token in StatusFile.left(in: directory)?.tokens ?? [] {
        let states = Set(token.outputs.map { TokenSettings.statePath(of: token.name, besides: $0.path) })
        for path in states.subtracting(here) {
          FileCalls.start("leftover \(path)") { [self] in
            add(path)
            removeExpired()
          }
        }
      }
    }
  }

  /// Ends the watch of one token, by its state file, because the broker manages its files from now on.
  public func release(_ path: String) {
    state.withLock { state in
      state.released.insert(path)
      state.leftovers.removeAll { $0.state == path }
    }
  }

  private static func states(in directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var paths: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name.hasSuffix(".state") { paths.append(directory + "/" + name) }
    }
    return paths
  }

  private func add(_ path: String) {
    guard let content = try? PrivateFile.read(path, maximum: TokenState.sizeLimit),
      let former = TokenState.decode(content), !former.arePersistent, let end = former.end(at: Moment.now())
    else { return }
    state.withLock { state in
      guard !state.released.contains(path) else { return }
      state.leftovers.append(Leftover(state: path, paths: former.outputs + [path], expiresAt: end))
    }
  }

  private func removeExpired() {
    let next = state.withLock { state -> BootTime? in
      let now = Moment.now().boot
      // These files are in memory, so the calls cannot hang.
      for leftover in state.leftovers where leftover.expiresAt <= now {
        for path in leftover.paths { _ = PublishedFile.removeOwn(path) }
      }
      state.leftovers.removeAll { $0.expiresAt <= now }
      guard !state.isLookDue, let next = state.leftovers.map(\.expiresAt).min() else { return nil }
      state.isLookDue = true
      return next
    }
    guard let next else { return }
    let wait = min(next - Moment.now().boot, .seconds(1))
    queue.asyncAfter(deadline: .now() + .nanoseconds(Int(max(.zero, wait).nanoseconds))) { [weak self] in
      guard let self else { return }
      state.withLock { $0.isLookDue = false }
      removeExpired()
    }
  }
}

extension TokenState {
  /// When the last of its tokens expires; `nil` if it has none.
  ///
  /// Boot times of another boot have no meaning now. For them, the wall clock decides, as it does for the API.
  func end(at now: Moment) -> BootTime? {
    let ends = tokens.map { token -> BootTime in
      if bootID == BootID.current { return token.requestedAt + token.lifetime - RefreshSchedule.rounding }
      return now.boot + .seconds(token.serverTime + token.lifetime.seconds - now.unix)
    }
    return ends.max()
  }
}

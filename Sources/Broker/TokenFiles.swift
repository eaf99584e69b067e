import Base
import Files
import FoundationEssentials
import Glibc
import OAuth
import Publication
import Settings

/// One token's files and its state file: a value, so that calls on a disk can be made beside the broker.
struct TokenFiles: Sendable {
  /// What there is to do with them.
  enum Work: Hashable, Sendable {
    /// Put the newest token into every file.
    case publish
    /// Remove every file.
    case remove
    /// See whether someone else changed the files, and make up for a state file that could not be written.
    case examine
  }

  /// What came of it.
  enum Outcome: Sendable {
    /// Done. With `examine`: the files are as they were left.
    case done
    /// Not done, or not for every file.
    case failed(PublicationFailure)
    /// Someone else changed a file.
    case disturbed
  }

  private(set) var outputs: [TokenOutput]
  /// Why the state file could not be written, if it could not: the next start will need a new token.
  private(set) var stateFailure: PublicationFailure?

  private var files: [PublishedFile]
  private var stateFile: PublishedFile
  /// The tokens that some file may hold: more than one only while the newest could not be put into all of them.
  private var mayBePublished: [TokenRecord] = []
  /// Where former settings had the token: it stays there until every new file holds it.
  private var formers: [TokenFiles] = []
  private let allowsPersistentStorage: Bool

  init(_ settings: TokenSettings, allowsPersistentStorage: Bool) {
    outputs = settings.outputs
    lane = "output \(settings.name)"
    self.allowsPersistentStorage = allowsPersistentStorage
    (files, stateFile) = settings.publishedFiles(allowsPersistentStorage: allowsPersistentStorage)
  }

  /// Where calls on the files run: `FileCalls.run`.
  let lane: String
  /// Whether the files may be on a disk, which may hang.
  var arePersistent: Bool { allowsPersistentStorage || formers.contains(where: \.allowsPersistentStorage) }
  var directories: Set<String> { Set(([self] + formers).flatMap { $0.files.map(\.directory) }) }
  var paths: [String] { ([self] + formers).flatMap { $0.files.map(\.path) + [$0.stateFile.path] } }
  /// What may hold the token, in former places too.
  var places: [TokenOutput] { ([self] + formers).flatMap(\.outputs) }
  /// Also the state file, which the next start needs. One that could not be written is another matter: it is tried again.
  var areUndisturbed: Bool {
    files.allSatisfy(\.isIntact) && (stateFailure != nil || stateFile.isIntact)
  }

  /// Checks that the files could be written.
  func prepare() throws(PublicationFailure) {
    for file in files + [stateFile] { try file.prepare() }
  }

  /// Does `work`; `kept` is the newest token.
  mutating func perform(_ work: Work, _ kept: TokenRecord?) -> Outcome {
    do throws(PublicationFailure) {
      switch work {
      case .publish: if let kept { try publish(kept) }
      case .remove: if let failure = remove() { throw failure }
      case .examine:
        guard areUndisturbed else { return .disturbed }
        if stateFailure != nil { writeState() }
      }
      return .done
    } catch {
      return .failed(error)
    }
  }

  /// Takes over the files as they are.
  ///
  /// - Returns: whether they hold what they should, with the mode they should have.
  mutating func adopt(_ kept: TokenRecord) -> Bool {
    mayBePublished = [kept]
    stateFile.adopt()
    var areRight = true
    for index in files.indices {
      var status = stat()
      let mode = lstat(files[index].path, &status) == 0 ? status.st_mode & 0o7777 : 0
      let content = try? PrivateFile.read(files[index].path, maximum: 1 << 18)
      if mode == files[index].mode, content == RenderedToken.content(of: kept.verifiedToken, as: outputs[index]) {
        files[index].adopt()
      } else {
        areRight = false
      }
    }
    return areRight
  }

  /// Takes over what is known of the files under former settings.
  mutating func inherit(from former: TokenFiles) {
    mayBePublished = former.mayBePublished
    let known = [former] + former.formers
    if let same = known.first(where: { $0.stateFile.path == stateFile.path }) {
      stateFile = same.stateFile
      stateFailure = same.stateFailure
    }
    for index in files.indices {
      let (path, mode) = (files[index].path, files[index].mode)
      if let same = known.lazy.flatMap(\.files).first(where: { $0.path == path && $0.mode == mode }) {
        files[index] = same
      }
    }
    formers = known
    let own = Set(outputs.map(\.path))
    leave { own.contains($0) }
  }

  /// Gives up the former places that belong to others now.
  mutating func leave(_ isOthers: (String) -> Bool) {
    for index in formers.indices {
      formers[index].formers = []
      formers[index].outputs.removeAll { isOthers($0.path) }
      formers[index].files.removeAll { isOthers($0.path) }
    }
    formers.removeAll(where: \.files.isEmpty)
  }

  /// Puts the newest token into every file, in the order of the config file, after what the next run needs to take it over, whatever
  /// comes in between.
  ///
  /// - Throws: the first failure, after all were tried: a file that cannot be written takes nothing from the others.
  private mutating func publish(_ kept: TokenRecord) throws(PublicationFailure) {
    let verifiedToken = kept.verifiedToken
    mayBePublished.removeAll { $0.verifiedToken.requestedAt.boot == verifiedToken.requestedAt.boot }
    mayBePublished = [kept] + mayBePublished.prefix(2)
    writeState()
    if let failure = write(verifiedToken) {
      throw serveFormers(verifiedToken).map { failure.whileKept(in: $0) } ?? failure
    }
    mayBePublished = [kept]
    // A file that names one token takes less room.
    if stateFailure != nil { writeState() }
    try removeFormers()
  }

  /// Writes the token into every file.
  ///
  /// - Returns: the first failure, after all were tried.
  private mutating func write(_ verifiedToken: VerifiedToken) -> PublicationFailure? {
    var failure: PublicationFailure?
    for index in files.indices {
      let content = RenderedToken.content(of: verifiedToken, as: outputs[index])
      do throws(PublicationFailure) {
        try content.withBytes { bytes throws(PublicationFailure) in try files[index].replace(with: bytes) }
      } catch {
        failure = failure ?? error
      }
    }
    return failure
  }

  /// Writes the token into the files of former settings: their readers go on.
  ///
  /// - Returns: the first of them; `nil` if there are none.
  private mutating func serveFormers(_ verifiedToken: VerifiedToken) -> String? {
    for index in formers.indices {
      formers[index].mayBePublished = mayBePublished
      if formers[index].stateFile.path != stateFile.path { formers[index].writeState() }
      _ = formers[index].write(verifiedToken)
    }
    return formers.first?.files.first?.path
  }

  /// Removes the token from the places of former settings.
  private mutating func removeFormers() throws(PublicationFailure) {
    let kept = Set(files.map(\.path) + [stateFile.path])
    var failure: PublicationFailure?
    for index in formers.indices { failure = formers[index].remove(except: kept) ?? failure }
    if let failure { throw failure }
    formers = []
  }

  /// Readers do not need the state file. Without it, the next start needs a new token.
  private mutating func writeState() {
    let state = TokenState(
      mayBePublished, outputs: places.map(\.path), arePersistent: arePersistent, bootID: BootID.current)
    guard let encoded = try? JSONEncoder().encode(state) else { return }
    do throws(PublicationFailure) {
      try Secret(encoded).withBytes { bytes throws(PublicationFailure) in try stateFile.replace(with: bytes) }
      stateFailure = nil
    } catch {
      stateFailure = error
    }
  }

  /// Removes every file but those at `paths`.
  ///
  /// - Returns: the first failure, after all were tried.
  mutating func remove(except paths: Set<String> = []) -> PublicationFailure? {
    var failure: PublicationFailure?
    for index in files.indices where !paths.contains(files[index].path) {
      do throws(PublicationFailure) { try files[index].remove() } catch { failure = failure ?? error }
    }
    for index in formers.indices { failure = formers[index].remove(except: paths) ?? failure }
    guard failure == nil else { return failure }
    mayBePublished = []
    if !paths.contains(stateFile.path) { try? stateFile.remove() }
    return nil
  }
}

/// What goes on beside the broker with the files of one token, which may be on a disk. Belongs to the broker's queue.
struct FileLane {
  /// The number of the work that runs, or hangs.
  private(set) var running: UInt64?
  /// Whether other work was asked for meanwhile.
  private(set) var isBehind = false

  /// Takes the lane; `nil` if something is running. The number, the next after `last`, never repeats within a process.
  mutating func begin(after last: inout UInt64) -> UInt64? {
    guard running == nil else {
      isBehind = true
      return nil
    }
    last += 1
    running = last
    return last
  }

  /// What ran has ended.
  ///
  /// - Returns: whether other work was asked for meanwhile.
  mutating func end() -> Bool {
    defer { isBehind = false }
    running = nil
    return isBehind
  }
}

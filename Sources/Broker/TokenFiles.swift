import Base
import Cryptography
import Engine
import Files
import Glibc
import OAuth
import Publication
import Settings

/// One token's files and its state file. This is a value, so that calls on a disk can run beside the broker.
struct TokenFiles: Sendable {
  private(set) var outputs: [TokenOutput]
  /// Why the state file could not be written. The next start will need a new token.
  private(set) var stateFailure: PublicationFailure?

  private var files: [PublishedFile]
  private var stateFile: PublishedFile
  /// The tokens that the files can hold. There are several only if the newest could not be written to all files.
  private var mayBePublished: [TokenRecord] = []
  /// The files of previous settings. The token stays there until every new file holds it.
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
  /// Whether the files can be on a disk, which can hang.
  var arePersistent: Bool { allowsPersistentStorage || formers.contains(where: \.allowsPersistentStorage) }
  var directories: Set<String> { Set(([self] + formers).flatMap { $0.files.map(\.directory) }) }
  var paths: [String] { ([self] + formers).flatMap { $0.files.map(\.path) + [$0.stateFile.path] } }
  /// The outputs that can hold the token, those of previous settings included.
  var places: [TokenOutput] { ([self] + formers).flatMap(\.outputs) }
  /// Whether no file was modified, the state file included. A state file that could not be written is written again
  /// instead.
  var areIntact: Bool {
    files.allSatisfy(\.isIntact) && (stateFailure != nil || stateFile.isIntact)
  }

  /// Checks that the files can be written.
  func prepare() throws(PublicationFailure) {
    for file in files + [stateFile] { try file.prepare() }
  }

  /// Performs `work`; `record` is the newest token, if there is a valid one. Files that hold it stay.
  mutating func perform(_ work: FileWork, _ record: TokenRecord?) -> FileOutcome {
    do throws(PublicationFailure) {
      switch work {
      case .publish: if let record { try publish(record) }
      case .remove: if let failure = remove(exceptOf: record) { throw failure }
      case .examine:
        guard areIntact else { return .modifiedExternally }
        if stateFailure != nil { writeState() }
      }
      return .done
    } catch {
      let isIncomplete = work == .publish && record.map { holds($0.verifiedToken, 0) } ?? false
      return isIncomplete ? .incomplete("\(error)") : .failed("\(error)")
    }
  }

  /// Whether the file, as it is now, holds the token.
  private func holds(_ verifiedToken: VerifiedToken, _ index: Int) -> Bool {
    files[index].holds(Self.digest(of: RenderedToken.content(of: verifiedToken, as: outputs[index])))
  }

  private static func digest(of content: Secret) -> [UInt8] { content.withBytes { SHA256.digest(of: $0) } }

  /// Continues with the files that the previous run left.
  ///
  /// - Returns: whether they hold `record`, with the right mode.
  mutating func restore(_ record: TokenRecord) -> Bool {
    mayBePublished = [record]
    stateFile.adopt()
    var areRight = true
    for index in files.indices {
      var status = stat()
      let mode = lstat(files[index].path, &status) == 0 ? status.st_mode & 0o7777 : 0
      let content = try? PrivateFile.read(files[index].path, maximum: 1 << 18)
      if mode == files[index].mode, let content,
        content == RenderedToken.content(of: record.verifiedToken, as: outputs[index])
      {
        files[index].adopt(digest: Self.digest(of: content))
      } else {
        areRight = false
      }
    }
    return areRight
  }

  /// Continues with the state of the files of previous settings.
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

  /// Forgets the files of previous settings that belong to other tables now.
  mutating func leave(_ isOthers: (String) -> Bool) {
    for index in formers.indices {
      formers[index].formers = []
      formers[index].outputs.removeAll { isOthers($0.path) }
      formers[index].files.removeAll { isOthers($0.path) }
    }
    formers.removeAll(where: \.files.isEmpty)
  }

  /// Writes the newest token to every file, in the order of the configuration.
  ///
  /// The state file comes first, so that the next run knows the token if this process is killed in between.
  ///
  /// - Throws: the first failure, after all files were tried.
  private mutating func publish(_ record: TokenRecord) throws(PublicationFailure) {
    let verifiedToken = record.verifiedToken
    mayBePublished.removeAll { $0.verifiedToken.requestedAt.boot == verifiedToken.requestedAt.boot }
    mayBePublished = [record] + mayBePublished.prefix(2)
    writeState()
    if let failure = write(verifiedToken) {
      throw serveFormers(verifiedToken).map { failure.whileKept(in: $0) } ?? failure
    }
    mayBePublished = [record]
    // A state file with one token is smaller.
    if stateFailure != nil { writeState() }
    try removeFormers()
  }

  /// Writes the token to every file that does not hold it. Otherwise one file that cannot be written would cause the
  /// others to be written again and again.
  ///
  /// - Returns: the first failure, after all files were tried.
  private mutating func write(_ verifiedToken: VerifiedToken) -> PublicationFailure? {
    var failure: PublicationFailure?
    for index in files.indices {
      do throws(PublicationFailure) {
        if let fault = RenderedToken.fault(of: verifiedToken.accessToken, as: outputs[index]) {
          throw PublicationFailure("cannot write \(files[index].path): \(fault)")
        }
        let content = RenderedToken.content(of: verifiedToken, as: outputs[index])
        let digest = Self.digest(of: content)
        if files[index].holds(digest) { continue }
        try content.withBytes { bytes throws(PublicationFailure) in
          try files[index].replace(with: bytes, digest: digest)
        }
      } catch {
        failure = failure ?? error
      }
    }
    return failure
  }

  /// Writes the token to the files of previous settings, for their applications.
  ///
  /// - Returns: the path of the first; `nil` if there are none.
  private mutating func serveFormers(_ verifiedToken: VerifiedToken) -> String? {
    for index in formers.indices {
      formers[index].mayBePublished = mayBePublished
      if formers[index].stateFile.path != stateFile.path { formers[index].writeState() }
      _ = formers[index].write(verifiedToken)
    }
    return formers.first?.files.first?.path
  }

  /// Removes the files of previous settings.
  private mutating func removeFormers() throws(PublicationFailure) {
    let current = Set(files.map(\.path) + [stateFile.path])
    var failure: PublicationFailure?
    for index in formers.indices { failure = formers[index].remove(except: current) ?? failure }
    if let failure { throw failure }
    formers = []
  }

  /// Writes the state file. A failure is only noted. Applications do not need the file, but the next start needs a new
  /// token without it.
  private mutating func writeState() {
    let state = TokenState(
      mayBePublished, outputs: places.map(\.path), arePersistent: arePersistent, bootID: BootID.current)
    guard let encoded = try? state.encoded() else { return }
    do throws(PublicationFailure) {
      try stateFile.replace(with: encoded)
      stateFailure = nil
    } catch {
      stateFailure = error
    }
  }

  /// Removes every file but those at `paths`, and those that hold the token of `record`.
  ///
  /// - Returns: the first failure, after all files were tried.
  mutating func remove(except paths: Set<String> = [], exceptOf record: TokenRecord? = nil) -> PublicationFailure? {
    var failure: PublicationFailure?
    var isKept = false
    for index in files.indices where !paths.contains(files[index].path) {
      if let record, holds(record.verifiedToken, index) {
        isKept = true
        continue
      }
      do throws(PublicationFailure) { try files[index].remove() } catch { failure = failure ?? error }
    }
    let others = paths.union([stateFile.path])
    for index in formers.indices { failure = formers[index].remove(except: others, exceptOf: record) ?? failure }
    guard failure == nil else { return failure }
    mayBePublished = isKept ? record.map { [$0] } ?? [] : []
    guard !paths.contains(stateFile.path) else { return nil }
    if isKept { writeState() } else { try? stateFile.remove() }
    return nil
  }
}

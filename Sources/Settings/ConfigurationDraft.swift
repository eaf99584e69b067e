public import Base
public import Files
import Glibc
import TOML

extension Configuration {
  /// Reads and checks the file at `path` and the files that it names, without using the network.
  ///
  /// The file must be a regular file of root or of the daemon's user. Other users must have no access.
  /// - Throws: all faults.
  public static func load(
    path: String, environment: RuntimeEnvironment = .current
  ) throws(ConfigurationErrors) -> Configuration {
    try ConfigurationDraft(reading: path, environment: environment).checked().get()
  }

  /// Checks the text of a configuration file and the files that it names. `ConfigurationDraft` describes the
  /// parameters.
  static func parse(
    _ text: Secret, path: String, directory: String? = nil, environment: RuntimeEnvironment
  ) throws(ConfigurationErrors) -> Configuration {
    try ConfigurationDraft(text, path: path, directory: directory, environment: environment).checked().get()
  }
}

/// A configuration file that was read: its settings, its faults, and the checks of other files that remain.
public struct ConfigurationDraft: Sendable {
  /// The size limit of the file. Ten thousand tables need much less.
  package static let sizeLimit = 16 << 20

  /// The settings, without the tables that have faults of their own.
  public private(set) var configuration: Configuration
  /// The faults, in the order of the file.
  public private(set) var diagnostics: [Diagnostic]
  private var checks: [FileCheck] = []
  /// The text; `nil` if the file could not be read.
  public private(set) var text: Secret?

  /// The value of the unit's `SetCredential=`. The service gets it if the file does not exist.
  private static let missingFileMarker = Secret("not-passed")

  /// Reads the file at `path` and no other file.
  ///
  /// The file must be a regular file of root or of the daemon's user. Other users must have no access.
  public init(reading path: String, environment: RuntimeEnvironment = .current) {
    // Messages name the file that an administrator edits, not systemd's copy of it.
    let shown = environment.configurationSource(of: path)
    do throws(FileRefusal) {
      let (text, refusal) = try ProtectedFile.readUnlessChangeable(
        path, rules: environment.fileRules, limit: Self.sizeLimit)
      guard text != Self.missingFileMarker else {
        throw FileRefusal(
          path: path, problem: "was not passed to the service: it is missing, or a drop-in withdraws LoadCredential=",
          remedy: "sudo konexus-tokend check", isMissing: true)
      }
      self.init(text, path: shown, directory: Self.directory(of: path), environment: environment, refusal: refusal)
    } catch {
      self.init(unreadable: shown, because: error)
    }
    configuration.path = path
    configuration.source = shown
  }

  /// Reads a text in place of the file at `path`: the previous configuration.
  public init(_ text: Secret, standingFor path: String, environment: RuntimeEnvironment) {
    let shown = environment.configurationSource(of: path)
    self.init(text, path: shown, directory: Self.directory(of: path), environment: environment)
    configuration.path = path
    configuration.source = shown
  }

  /// Reads a file that a command of root opened in place of the one at `path`. The daemon's user may be unable to open
  /// it.
  public init(_ file: PassedFile, standingFor path: String, environment: RuntimeEnvironment) {
    let shown = environment.configurationSource(of: path)
    if let text = file.content(atMost: Self.sizeLimit) {
      self.init(
        text, path: shown, directory: Self.directory(of: path), environment: environment, refusal: file.refusal(shown))
    } else {
      self.init(
        unreadable: shown,
        because: FileRefusal(path: shown, problem: "cannot be read, or is no regular file", remedy: "name a file"))
    }
    configuration.path = path
    configuration.source = shown
  }

  private init(unreadable path: String, because refusal: FileRefusal) {
    configuration = Configuration(path: path, tokens: [])
    diagnostics = [Diagnostic(file: path, message: "\(refusal.problem) -> \(refusal.remedy)")]
  }

  /// Reads the text of a configuration file.
  ///
  /// - Parameters:
  ///   - path: the path that messages show.
  ///   - directory: the start of relative paths; by default the directory of `path`.
  ///   - refusal: the fault of a mode with access for the group. It is ignored if the text allows that access.
  init(
    _ text: Secret, path: String, directory: String? = nil, environment: RuntimeEnvironment,
    refusal: FileRefusal? = nil
  ) {
    self.text = text
    let directory = directory ?? Self.directory(of: path)
    (configuration, diagnostics, checks) = text.withBytes { bytes in
      var reader = ConfigurationReader(
        source: ConfigurationSource(path: path, bytes: bytes), environment: environment, directory: directory)
      let configuration = reader.read(TOMLParser.parse(bytes))
      return (configuration, reader.diagnostics, reader.fileChecks)
    }
    if let refusal, !configuration.daemon.allowGroupRead {
      let message = "\(refusal.problem) -> \(refusal.remedy)"
      diagnostics.insert(Diagnostic(file: path, message: message), at: 0)
    }
  }

  /// The path that the file was read from.
  package var path: String { configuration.path }

  /// The settings.
  ///
  /// - Throws: the faults, if there are any.
  public func get() throws(ConfigurationErrors) -> Configuration {
    guard diagnostics.isEmpty else { throw ConfigurationErrors(diagnostics: diagnostics) }
    return configuration
  }

  /// The settings without the tables that have faults; `nil` if no table is left.
  public var usable: Configuration? {
    let faulty = Set(diagnostics.compactMap(\.token))
    var usable = configuration
    usable.tokens.removeAll { faulty.contains($0.name) }
    return usable.tokens.isEmpty ? nil : usable
  }

  /// A draft with the faults of the files that it names. The files are read now.
  func checked() -> ConfigurationDraft { adding(checks.compactMap { $0.fault() }) }

  /// A draft with the faults of the files that it names. A file that hangs delays only its own table.
  ///
  /// - Parameter limit: the time limit for the files of one table.
  /// - Returns: the draft, and the files that were not read in time. Those are no faults of their tables.
  public func checked(within limit: Duration) async -> (draft: ConfigurationDraft, overdue: [FileCalls.Overdue]) {
    let tables = Dictionary(grouping: checks) { $0.token ?? "" }
    var faults: [Diagnostic] = []
    var overdue: [FileCalls.Overdue] = []
    await withTaskGroup(of: Result<[Diagnostic], FileCalls.Overdue>.self) { group in
      for (name, checks) in tables {
        group.addTask {
          do throws(FileCalls.Overdue) {
            return .success(try await FileCalls.run("check \(name)", limit: limit) { checks.compactMap { $0.fault() } })
          } catch {
            return .failure(error)
          }
        }
      }
      for await result in group {
        switch result {
        case .success(let found): faults += found
        case .failure(let error): overdue.append(error)
        }
      }
    }
    return (adding(faults), overdue)
  }

  /// A draft with the faults of the directories of output files, as far as they are known within `limit`.
  public func checkingOutputs(within limit: Duration) async -> ConfigurationDraft {
    let configuration = configuration
    let faults = try? await FileCalls.run("places", limit: limit) {
      configuration.tokens.compactMap { settings -> Diagnostic? in
        do throws(PublicationFailure) {
          try settings.prepareOutputs(allowsPersistentStorage: configuration.daemon.allowPersistentStorage)
          return nil
        } catch {
          let key = "token.\(settings.name)"
          return Diagnostic(file: configuration.source, key: key, message: "\(error)", token: settings.name)
        }
      }
    }
    return adding(faults ?? [])
  }

  private func adding(_ faults: [Diagnostic]) -> ConfigurationDraft {
    var draft = self
    draft.diagnostics = Diagnostic.inOrder(diagnostics + faults)
    return draft
  }

  /// The absolute path of the directory that contains `path`.
  private static func directory(of path: String) -> String {
    var path = path
    if !path.hasPrefix("/") {
      var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
      guard let current = getcwd(&buffer, buffer.count) else { return "." }
      path = String(cString: current) + "/" + path
    }
    let parts = path.split(separator: "/").dropLast().filter { $0 != "." }
    return "/" + parts.joined(separator: "/")
  }
}

/// A check of a file that a table names. It runs on a thread that can hang.
struct FileCheck: Sendable {
  /// What is wrong with the file.
  struct Fault {
    var message: String
    /// Whether messages can show the value. A value can be a secret that was written to the wrong key.
    var showsValue: Bool
  }

  private let shown: Diagnostic
  private let hidden: Diagnostic
  private let look: @Sendable () -> Fault?

  /// - Parameters:
  ///   - shown: the diagnostic with the value.
  ///   - hidden: the diagnostic without the value.
  ///   - look: reads the file and returns its fault.
  init(shown: Diagnostic, hidden: Diagnostic, look: @escaping @Sendable () -> Fault?) {
    self.shown = shown
    self.hidden = hidden
    self.look = look
  }

  /// The token whose table names the file.
  var token: String? { shown.token }

  /// Reads the file and returns its fault.
  func fault() -> Diagnostic? {
    guard let fault = look() else { return nil }
    var diagnostic = fault.showsValue ? shown : hidden
    diagnostic.message = fault.message
    return diagnostic
  }
}

public import Base
public import Files
import Glibc
import TOML

extension Configuration {
  /// Far more than ten thousand tables take.
  static let sizeLimit = 16 << 20

  /// Reads and checks the file at `path`, and the files it names, as far as that goes without the network.
  ///
  /// The file must be a regular one of root or of the daemon's user, without any access for others.
  /// - Throws: all that is wrong, at once.
  public static func load(
    path: String, environment: RuntimeEnvironment = .current
  ) throws(ConfigurationErrors) -> Configuration {
    try ConfigurationDraft(reading: path, environment: environment).checked().get()
  }

  /// Checks the text of a configuration file, and the files that it names; for the parameters see `ConfigurationDraft`.
  static func parse(
    _ text: Secret, path: String, directory: String? = nil, environment: RuntimeEnvironment
  ) throws(ConfigurationErrors) -> Configuration {
    try ConfigurationDraft(text, path: path, directory: directory, environment: environment).checked().get()
  }
}

/// A configuration file as it was read: what is right in it, what is wrong, and what is to be checked beside it.
public struct ConfigurationDraft: Sendable {
  /// Far more than ten thousand tables take.
  package static let sizeLimit = 16 << 20

  /// The settings; without the tables that are wrong in themselves.
  public private(set) var configuration: Configuration
  /// All that is wrong, in the order of the file.
  public private(set) var diagnostics: [Diagnostic]
  private var checks: [FileCheck] = []
  /// The text; `nil` if the file could not be read.
  public private(set) var text: Secret?

  /// What the unit's `SetCredential=` passes if systemd has no file to copy.
  private static let missingFileMarker = Secret("not-passed")

  /// Reads the file at `path`, and no other.
  ///
  /// The file must be a regular one of root or of the daemon's user, without any access for others.
  public init(reading path: String, environment: RuntimeEnvironment = .current) {
    // Messages name the file that a person can change, of which systemd made this copy.
    let shown = environment.configurationSource(of: path)
    do throws(FileRefusal) {
      let (text, refusal) = try ProtectedFile.readUnlessChangeable(
        path, rules: environment.fileRules, limit: Self.sizeLimit)
      guard text != Self.missingFileMarker else {
        throw FileRefusal(
          path: path, problem: "was not passed to the service: it is missing, or a drop-in withdraws LoadCredential=",
          remedy: "run: sudo konexus-tokend check", isMissing: true)
      }
      self.init(text, path: shown, directory: Self.directory(of: path), environment: environment, refusal: refusal)
    } catch {
      self.init(unreadable: shown, because: error)
    }
    configuration.path = path
    configuration.source = shown
  }

  /// Reads a text that stands for the file at `path`: the previous one, or one that root passed on.
  public init(_ text: Secret, standingFor path: String, environment: RuntimeEnvironment) {
    let shown = environment.configurationSource(of: path)
    self.init(text, path: shown, directory: Self.directory(of: path), environment: environment)
    configuration.path = path
    configuration.source = shown
  }

  /// Reads a file that a command of root's opened in place of the one at `path`, which this user may not be able to open.
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
    diagnostics = [Diagnostic(file: path, message: "\(refusal.problem); \(refusal.remedy)")]
  }

  /// Reads the text of a configuration file.
  ///
  /// - Parameters:
  ///   - path: where messages say that it is.
  ///   - directory: where relative paths in it begin; by default the directory of `path`.
  ///   - refusal: what is wrong with a mode that its group may read it by, unless the text itself allows that.
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
      let message = "\(refusal.problem); \(refusal.remedy)"
      diagnostics.insert(Diagnostic(file: path, message: message), at: 0)
    }
  }

  /// The file, as it was asked for.
  package var path: String { configuration.path }

  /// What came of it: the settings if nothing is wrong, or all that is.
  public func get() throws(ConfigurationErrors) -> Configuration {
    guard diagnostics.isEmpty else { throw ConfigurationErrors(diagnostics: diagnostics) }
    return configuration
  }

  /// The settings without the tables that are wrong; `nil` if no table is left.
  public var usable: Configuration? {
    let faulty = Set(diagnostics.compactMap(\.token))
    var usable = configuration
    usable.tokens.removeAll { faulty.contains($0.name) }
    return usable.tokens.isEmpty ? nil : usable
  }

  /// The same with the faults of the files that it names, which are looked at now.
  func checked() -> ConfigurationDraft { adding(checks.compactMap { $0.fault() }) }

  /// The same, each table's files within `limit`: one that hangs keeps no other waiting.
  ///
  /// - Returns: also why files were not looked at in time. Nothing is known against their tables.
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

  /// The same with the faults of the places that tokens are written to, as far as they are known within `limit`.
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

  /// The absolute directory that `path` lies in.
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

/// A look at a file that a table names, to be taken where a file system that hangs does no harm.
struct FileCheck: Sendable {
  /// What is wrong with the file.
  struct Fault {
    var message: String
    /// Whether the value in the configuration may be shown: it may be the secret itself, put down at the wrong key.
    var showsValue: Bool
  }

  private let shown: Diagnostic
  private let hidden: Diagnostic
  private let look: @Sendable () -> Fault?

  /// - Parameters:
  ///   - shown: the place of the fault, with the value.
  ///   - hidden: the same without the value.
  init(shown: Diagnostic, hidden: Diagnostic, look: @escaping @Sendable () -> Fault?) {
    self.shown = shown
    self.hidden = hidden
    self.look = look
  }

  /// The token whose table names the file.
  var token: String? { shown.token }

  /// Looks at the file.
  func fault() -> Diagnostic? {
    guard let fault = look() else { return nil }
    var diagnostic = fault.showsValue ? shown : hidden
    diagnostic.message = fault.message
    return diagnostic
  }
}

import Glibc
import OAuthClient

extension Configuration {
  /// Far more than ten thousand tables take.
  private static let sizeLimit = 16 << 20

  /// Reads and checks the file at `path`, and the files it names, as far as that goes without the network.
  ///
  /// The file must be a regular one of root or of the daemon's user, without any access for others.
  /// - Throws: all that is wrong, at once.
  public static func load(
    path: String, environment: RuntimeEnvironment = .current
  ) throws(ConfigurationErrors) -> Configuration {
    // Messages name the file that a person can change, of which systemd made this copy.
    let shown = environment.configurationSource(of: path)
    let text: Secret
    let refusal: FileRefusal?
    do throws(FileRefusal) {
      (text, refusal) = try ProtectedFile.readUnlessChangeable(path, rules: environment.fileRules, limit: sizeLimit)
    } catch {
      throw ConfigurationErrors(diagnostics: [Diagnostic(file: shown, message: "\(error.problem); \(error.remedy)")])
    }
    var configuration = try parse(
      text, path: shown, directory: directory(of: path), environment: environment, refusal: refusal)
    configuration.path = path
    configuration.source = shown
    return configuration
  }

  /// Checks the text of a configuration file.
  ///
  /// - Parameters:
  ///   - path: where messages say that it is.
  ///   - directory: where relative paths in it begin; by default the directory of `path`.
  ///   - refusal: what is wrong with a mode that its group may read it by, unless the text itself allows that.
  static func parse(
    _ text: Secret, path: String, directory: String? = nil, environment: RuntimeEnvironment,
    refusal: FileRefusal? = nil
  ) throws(ConfigurationErrors) -> Configuration {
    var (configuration, diagnostics) = text.withBytes { bytes in
      var reader = ConfigurationReader(
        source: ConfigurationSource(path: path, bytes: bytes), environment: environment,
        directory: directory ?? Self.directory(of: path))
      let configuration = reader.read(TOMLParser.parse(bytes))
      return (configuration, reader.diagnostics)
    }
    if let refusal, !configuration.daemon.allowGroupRead {
      let message = "\(refusal.problem); \(refusal.remedy)"
      diagnostics.insert(Diagnostic(file: path, message: message), at: 0)
    }
    guard diagnostics.isEmpty else { throw ConfigurationErrors(diagnostics: diagnostics) }
    return configuration
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

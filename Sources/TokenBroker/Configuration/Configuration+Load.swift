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
    let text: Secret
    let refusal: FileRefusal?
    do throws(FileRefusal) {
      (text, refusal) = try ProtectedFile.readUnlessChangeable(path, environment: environment, limit: sizeLimit)
    } catch {
      throw ConfigurationErrors(diagnostics: [Diagnostic(file: path, message: "\(error.problem); \(error.remedy)")])
    }
    return try parse(text, path: path, environment: environment, refusal: refusal)
  }

  /// Checks the text of a configuration file that is said to be at `path`; `refusal` is what is wrong with a mode that its group may read by,
  /// unless the text itself allows that.
  static func parse(
    _ text: Secret, path: String, environment: RuntimeEnvironment, refusal: FileRefusal? = nil
  ) throws(ConfigurationErrors) -> Configuration {
    var (configuration, diagnostics) = text.withBytes { bytes in
      var reader = ConfigurationReader(
        source: ConfigurationSource(path: path, bytes: bytes), environment: environment, directory: directory(of: path))
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

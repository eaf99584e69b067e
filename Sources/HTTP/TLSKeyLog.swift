import Glibc

/// The file for TLS secrets that `SSLKEYLOGFILE` names. libcurl and other TLS libraries obey this variable.
///
/// Such a file decrypts recorded traffic, and with it the client secret and the token.
public enum TLSKeyLog {
  /// Whether the process was started with `SSLKEYLOGFILE`. The first use removes the variable from the environment.
  ///
  /// Use it at the start of the process, before other threads and before libcurl read the environment.
  public static let wasRequested: Bool = {
    guard let path = getenv(variable) else { return false }
    let isSet = path.pointee != 0
    unsetenv(variable)
    return isSet
  }()

  private static let variable = "SSLKEYLOGFILE"
}

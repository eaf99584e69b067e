internal import CCurl

/// The version of the libcurl that this process has loaded.
public enum LibcurlVersion {
  /// The oldest version that has everything that this module uses. It is the version of RHEL 9.
  private static let oldest: (number: UInt32, text: String) = (0x07_4c_00, "7.76.0")

  /// Why no request can be made with the loaded libcurl; nil if it is new enough.
  public static var fault: String? {
    guard let loaded = ccurl_loaded()?.pointee else { return fault(of: 0, "unknown") }
    return fault(of: loaded.version_num, loaded.version.map { String(cString: $0) } ?? "unknown")
  }

  /// As ``fault``, for a version as libcurl states it: `0xXXYYZZ` and `X.Y.Z`.
  static func fault(of number: UInt32, _ text: String) -> String? {
    guard number < oldest.number else { return nil }
    return "libcurl \(text) is too old: this program needs libcurl \(oldest.text) or newer"
  }
}

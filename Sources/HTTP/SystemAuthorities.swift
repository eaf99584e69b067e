internal import CCurl

/// Where the system keeps the authorities that it trusts: a directory in which each is a file named by its hash, and a bundle of all.
///
/// OpenSSL looks into the directory for the one authority that it needs; the bundle it reads whole, about 140 certificates, which
/// costs some 20 ms of processor time for each connection and is most of a refresh. So the directory is asked first, and both together
/// if it does not know the authority: on systems that fill the bundle alone.
struct SystemAuthorities: Sendable {
  /// The hashed directory; nil: where libcurl was built to look.
  var directory: String?
  /// The bundle; nil: where libcurl was built to look.
  var bundle: String?

  /// Which of them a transfer is told of.
  enum Part: Sendable {
    case directory, all
  }

  /// Tells libcurl.
  func apply(_ part: Part, to options: inout TransferOptions, _ easy: UnsafeMutableRawPointer) {
    if let directory { options.set(CURLOPT_CAPATH, directory) }
    if let bundle { options.set(CURLOPT_CAINFO, bundle) }
    guard part == .directory else { return }
    var path: UnsafePointer<CChar>?
    ccurl_get_string(easy, CURLINFO_CAPATH, &path)
    // A libcurl that knows no directory goes by its bundle, or by its TLS library's own store.
    if directory != nil || path != nil { options.setNull(CURLOPT_CAINFO) }
  }
}

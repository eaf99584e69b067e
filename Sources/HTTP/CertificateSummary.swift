internal import CCurl

/// What a person wants to know of a certificate.
public struct CertificateSummary: Hashable, Sendable {
  /// Whose it is, such as `CN = auth.example.com`.
  public var subject: String
  /// Who signed it.
  public var issuer: String
  /// The first second of its validity, in Unix time; nil if the certificate does not tell it in a readable way.
  public var notBefore: Int64?
  /// The last second of its validity, in Unix time.
  public var notAfter: Int64?
  /// The names it is for: `DNS:auth.example.com`, `IP Address:127.0.0.1`.
  public var alternativeNames: [String]

  /// Makes a summary.
  public init(subject: String, issuer: String, notBefore: Int64?, notAfter: Int64?, alternativeNames: [String]) {
    self.subject = subject
    self.issuer = issuer
    self.notBefore = notBefore
    self.notAfter = notAfter
    self.alternativeNames = alternativeNames
  }

  /// The certificates that the server of a finished transfer showed, its own first.
  static func chain(of easy: UnsafeMutableRawPointer) -> [CertificateSummary] {
    var information: UnsafeMutablePointer<curl_certinfo>?
    guard ccurl_get_certificates(easy, &information) == CURLE_OK, let information else { return [] }
    return (0..<Int(information.pointee.num_of_certs)).map { index in
      var lines: [String] = []
      var line = information.pointee.certinfo[index]
      while let current = line {
        lines.append(String(cString: current.pointee.data))
        line = current.pointee.next
      }
      return CertificateSummary(lines: lines)
    }
  }

  /// Reads libcurl's lines, `Name:value` each.
  init(lines: [String]) {
    func value(_ name: String) -> String? {
      lines.first { $0.hasPrefix("\(name):") }.map { String($0.dropFirst(name.utf8.count + 1)) }
    }
    subject = value("Subject") ?? ""
    issuer = value("Issuer") ?? ""
    notBefore = value("Start date").flatMap(CivilTime.certificateDate)
    notAfter = value("Expire date").flatMap(CivilTime.certificateDate)
    alternativeNames = (value("X509v3 Subject Alternative Name") ?? "").split(separator: ",").map { name in
      String(name.drop { $0 == " " })
    }
  }
}

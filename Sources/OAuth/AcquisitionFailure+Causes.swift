import Base
import HTTP

extension AcquisitionFailure {
  /// A failure of the way to the server.
  init(_ failure: HTTPFailure, while what: String) {
    let code: FailureCode =
      switch failure.reason {
      case .nameResolution: .nameResolution
      case .connectionRefused, .connectionFailed, .cancelled, .other: .connection
      case .proxy, .timeout(stage: .proxy): .proxy
      case .tls(.unknownAuthority), .tls(.selfSigned): .tlsUnknownAuthority
      case .tls(.expired): .tlsExpired
      case .tls(.notYetValid): .tlsNotYetValid
      case .tls(.hostNameMismatch): .tlsHostName
      case .tls(.caFileUnreadable), .tls(.clientCertificateUnusable): .tlsCAFile
      case .tls(.clientKeyUnusable): .credentials
      case .tls(.clientCertificateRequired): .tlsClientCertificate
      case .tls(.pinMismatch): .tlsPin
      case .tls: .tlsOther
      case .timeout: .timeout
      case .truncatedBody, .malformedResponse: .brokenResponse
      case .bodyTooLarge, .headersTooLarge: .tooLarge
      case .invalidURL, .insecureURL: .insecureEndpoint
      }
    self.init(code, "\(what): \(failure.message)")
  }

  /// A token that did not verify. `clockSkew` tells how far the server's clock is from ours, when the fault is one of time.
  init(_ failure: VerificationFailure, clockSkew: Duration?) {
    let code: FailureCode =
      switch failure.reason {
      case .algorithmNotAllowed: .algorithm
      case .typeMismatch: .wrongType
      case .unknownKey, .keyMismatch: .unknownKey
      case .signature: .signature
      case .issuer, .missingClaim("iss"): .wrongIssuer
      case .audience, .missingClaim("aud"): .wrongAudience
      case .clientID: .wrongClient
      case .scope: .missingScope
      case .scopeSyntax: .malformedAnswer
      case .expired: .tokenExpired
      case .notYetValid: .tokenNotYetValid
      default: .malformedToken
      }
    var message = failure.message
    if failure.isAboutTime {
      if let clockSkew, ClockSkew.isReported(clockSkew) {
        message += "; \(ClockSkew.sentence(clockSkew))"
      } else if clockSkew == nil {
        message += "; this host's clock may be wrong (the server sends no Date to compare with)"
      }
    }
    self.init(code, message)
  }

  /// Whether a server that is out of order explains it: the last good document may serve on. What the server says wrongly is no outage.
  var isOutage: Bool {
    switch code {
    case .issuerMismatch, .insecureEndpoint, .discoveryIncomplete: false
    default: true
    }
  }

  /// Whether the token endpoint may have moved.
  var suggestsMovedEndpoint: Bool {
    switch code {
    case .nameResolution, .connection, .tlsUnknownAuthority, .tlsExpired, .tlsHostName, .tlsClientCertificate, .tlsPin,
      .tlsOther,
      .timeout, .redirect, .rejected, .serverError:
      true
    default: false
    }
  }

  /// Whether the server's keys may have moved.
  var suggestsMovedKeys: Bool {
    switch code {
    case .documentRejected, .malformedAnswer, .unknownKey, .signature: true
    default: suggestsMovedEndpoint
    }
  }
}

extension VerificationFailure {
  /// Whether a clock could be the cause.
  var isAboutTime: Bool {
    switch reason {
    case .expired, .notYetValid: true
    default: false
    }
  }
}

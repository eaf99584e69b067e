import Base
import HTTP

extension AcquisitionFailure {
  /// Makes the failure of an HTTP exchange.
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
    self.init(code, "\(failure.message) (\(what))", remedy: failure.remedy)
  }

  /// Makes the failure of a token's verification. `clockSkew` is how far the server's clock is ahead, for a failure
  /// about time.
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
        message += "; this host's clock may be wrong: the server sends no Date to compare with"
      }
    }
    self.init(code, message)
  }

  /// Whether an outage of the server explains the failure. If it does, the last valid document stays in use. A wrong
  /// document is no outage.
  var isOutage: Bool {
    switch code {
    case .issuerMismatch, .insecureEndpoint, .discoveryIncomplete: false
    default: true
    }
  }

  /// Whether the token endpoint can have moved.
  var suggestsMovedEndpoint: Bool {
    switch code {
    case .nameResolution, .connection, .tlsUnknownAuthority, .tlsExpired, .tlsHostName, .tlsClientCertificate, .tlsPin,
      .tlsOther,
      .timeout, .redirect, .rejected, .serverError:
      true
    default: false
    }
  }

  /// Whether the server's keys can have moved.
  var suggestsMovedKeys: Bool {
    switch code {
    case .documentRejected, .malformedAnswer, .unknownKey, .signature: true
    default: suggestsMovedEndpoint
    }
  }
}

extension VerificationFailure {
  /// Whether a wrong clock can be the cause.
  var isAboutTime: Bool {
    switch reason {
    case .expired, .notYetValid: true
    default: false
    }
  }
}

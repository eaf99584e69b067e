import X509

extension ControlEndpoint {
  /// Makes the sandbox behave like other servers.
  func performForServers(_ action: String, query: FormBody?, body: [UInt8]) throws {
    switch action {
    case "POST /access-token-issuer":
      let name = query?["name"]
      state.withContents { $0.settings.accessTokenIssuer = name }
    case "POST /discovery-path":
      let path = query?["path"]
      guard path?.hasPrefix("/") ?? true else { throw SandboxError("give ?path=/...") }
      state.withContents { $0.settings.discoveryPath = path }
    case "POST /hidden-metadata":
      let names = (query?["names"] ?? "").split(separator: ",").map(String.init)
      state.withContents { $0.settings.hiddenMetadata = names }
    case "POST /introspection-client":
      let id = query?["id"]
      let secret = String(decoding: body, as: UTF8.self).filter { $0 != "\n" }
      state.withContents { contents in
        contents.settings.introspectionClient = id
        guard let id, !secret.isEmpty else { return }
        contents.clients.removeAll { $0.id == id }
        contents.clients.append(SandboxClient(id: id, secrets: [secret], scopes: []))
      }
    case "POST /x5t":
      let isOn = try isOn(query)
      let pem = String(decoding: body, as: UTF8.self)
      let key = pem.isEmpty ? nil : try Certificate(pemEncoded: pem).publicKey.serializeAsPEM().pemString
      state.withContents { contents in
        contents.settings.requiresCertificateThumbprint = isOn
        guard let key, !contents.clients.isEmpty else { return }
        contents.clients[0].publicKeys.append(key)
        contents.clients[0].certificates.append(pem)
      }
    default: throw SandboxError("there is no '\(action)'; there are:\n" + Self.help)
    }
  }
}

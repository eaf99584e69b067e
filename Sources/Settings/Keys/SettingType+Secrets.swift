extension SettingType<[SecretSource]> {
  /// One client secret, or the current one and the next.
  static let secrets = SettingType(name: "a string, or an array of the current secret and the next") {
    node, context throws(SettingFault) in
    let nodes = try node.oneOrTwo("a string, or an array of the current secret and the next", context)
    var secrets: [SecretSource] = []
    for node in nodes {
      guard case .string(let secret) = node.content else { throw mismatch("a string", node, context) }
      if let fault = secret.withBytes({ SecretSource.fault(in: $0) }) {
        throw SettingFault(
          message: "\(fault); give the secret as the authorization server's operator handed it out", range: node.range)
      }
      guard !secrets.contains(.literal(secret)) else {
        throw SettingFault(message: "holds the same secret twice; give the current one and the next", range: node.range)
      }
      secrets.append(.literal(secret))
    }
    return secrets
  }

  /// The file of one client secret, or of the current one and the next.
  static let secretFiles = SettingType(name: "a path, or an array of two: the current secret's and the next's") {
    node, context throws(SettingFault) in
    let nodes = try node.oneOrTwo("a path, or an array of two: the current secret's and the next's", context)
    var files: [SecretSource] = []
    for node in nodes {
      let file: SecretSource
      do throws(SettingFault) {
        file = .file(try SettingType<String>.inputPath.read(node, context))
      } catch {
        throw SettingFault(message: error.message, range: node.range)
      }
      guard !files.contains(file) else {
        throw SettingFault(message: "holds the same file twice; remove one", range: node.range)
      }
      files.append(file)
    }
    return files
  }
}

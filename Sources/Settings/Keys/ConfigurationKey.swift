import TOML

/// One key of the configuration, declared once: reading, suggesting, documenting and testing all go by this.
struct ConfigurationKey<Settings>: Sendable {
  let name: String
  /// What it takes, for messages and for the manual.
  let type: String
  /// The default in TOML's notation; nil if there is none.
  let defaultValue: String?
  /// Whether the value must not appear in messages.
  let isSecret: Bool
  private let assign: @Sendable (TOMLNode, SettingContext, inout Settings) throws(SettingFault) -> Void

  init<Value>(
    _ name: String, _ type: SettingType<Value>, default defaultValue: String? = nil, isSecret: Bool = false,
    sets path: any WritableKeyPath<Settings, Value> & Sendable
  ) {
    self.name = name
    self.type = type.name
    self.defaultValue = defaultValue
    self.isSecret = isSecret
    assign = { node, context, settings throws(SettingFault) in settings[keyPath: path] = try type.read(node, context) }
  }

  init<Value>(
    _ name: String, _ type: SettingType<Value>, default defaultValue: String? = nil, isSecret: Bool = false,
    sets path: any WritableKeyPath<Settings, Value?> & Sendable
  ) {
    self.name = name
    self.type = type.name
    self.defaultValue = defaultValue
    self.isSecret = isSecret
    assign = { node, context, settings throws(SettingFault) in settings[keyPath: path] = try type.read(node, context) }
  }

  /// Reads `node` into `settings`.
  func apply(
    _ node: TOMLNode, directory: String, credentialSources: [String: String] = [:], to settings: inout Settings
  ) throws(SettingFault) {
    let context = SettingContext(directory: directory, isSecret: isSecret, credentialSources: credentialSources)
    try assign(node, context, &settings)
  }
}

/// What a `[token.NAME]` table says, before its keys are brought together.
struct TokenDraft {
  var settings: TokenSettings
  var literalSecrets: [SecretSource] = []
  var secretFiles: [SecretSource] = []
  var file: String?
  var mode: UInt32 = 0o640
}

/// What a `[[token.NAME.output]]` table says.
struct OutputDraft {
  var format = TokenOutput.Format.raw
  var path: String?
  var mode: UInt32?
  var variable: String?
}

/// What a `signal` table says.
struct SignalDraft {
  var pidFile: String?
  var name = ReaderSignal.Name.hup
}

/// A look at a file that a table names, to be taken where a file system that hangs does no harm.
struct FileCheck: Sendable {
  /// What is wrong with the file.
  struct Fault {
    var message: String
    /// Whether the value in the configuration may be shown: it may be the secret itself, put down at the wrong key.
    var showsValue: Bool
  }

  private let shown: Diagnostic
  private let hidden: Diagnostic
  private let look: @Sendable () -> Fault?

  /// - Parameters:
  ///   - shown: the place of the fault, with the value.
  ///   - hidden: the same without the value.
  init(shown: Diagnostic, hidden: Diagnostic, look: @escaping @Sendable () -> Fault?) {
    self.shown = shown
    self.hidden = hidden
    self.look = look
  }

  /// The token whose table names the file.
  var token: String? { shown.token }

  /// Looks at the file.
  func fault() -> Diagnostic? {
    guard let fault = look() else { return nil }
    var diagnostic = fault.showsValue ? shown : hidden
    diagnostic.message = fault.message
    return diagnostic
  }
}

import Broker
import Glibc
import Report

/// What standard output and standard error lead to.
enum Terminal {
  /// How to write to this descriptor: with colours and a width only on a terminal, and without colours where `NO_COLOR`
  /// (no-color.org) or `TERM=dumb` ask for that.
  static func style(of descriptor: Int32) -> TextStyle {
    guard isatty(descriptor) == 1 else { return .plain }
    var size = winsize()
    let columns = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    return TextStyle(isColoured: !isSet("NO_COLOR") && variable("TERM") != "dumb", columns: columns)
  }

  private static func isSet(_ name: String) -> Bool { variable(name).map { !$0.isEmpty } ?? false }

  private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

import Files
/// The credentials that one file of a unit withdraws, by an empty `LoadCredential=`.
///
/// The service manager has only the merged result, so this reads the files. LXC and Incus, for example, install the
/// drop-in `zzz-lxc-service.conf`, which withdraws the credentials of every service.
public struct WithdrawnCredentials: Equatable, Sendable {
  /// The file that withdraws them; the last one if there are several.
  public var file: String
  /// The assignments that were in effect before it, such as `LoadCredential=NAME:SOURCE`, by the credentials' names.
  public var assignments: [String: String]

  /// Looks for the last of the unit's files that withdraws credentials; `nil` if none does.
  public init?(in unit: ServiceUnit) {
    self.init(texts: unit.files.map { ($0, FileContent.text(of: $0) ?? "") })
  }

  /// Looks in files that take effect in this order.
  init?(texts: [(file: String, text: String)]) {
    var inEffect: [String: String] = [:]
    var found: Self?
    for (file, text) in texts {
      for (key, value) in Self.assignments(in: text) where key == "LoadCredential" || key == "LoadCredentialEncrypted" {
        if value.isEmpty {
          // A file that withdraws them twice withdraws what was there before the first time.
          if found?.file != file { found = Self(file: file, assignments: inEffect) }
          inEffect = [:]
        } else {
          inEffect[String(value.prefix { $0 != ":" })] = "\(key)=\(value)"
        }
      }
    }
    guard let found else { return nil }
    self = found
  }

  private init(file: String, assignments: [String: String]) {
    self.file = file
    self.assignments = assignments
  }

  /// A name for a drop-in that takes effect after `file`. Drop-ins are sorted by name (systemd.unit(5)).
  public func nameOfDropIn(_ purpose: String) -> String {
    let name = Self.lateName(purpose)
    let last = file.split(separator: "/").last.map(String.init) ?? file
    guard Array(name.utf8).lexicographicallyPrecedes(Array(last.utf8)) || name == last else { return name }
    return last.prefix { $0 != "." } + "z-\(purpose).conf"
  }

  /// A name that comes after nearly all others, and after `zzz-lxc-service.conf`.
  public static func lateName(_ purpose: String) -> String { "zzzz-\(purpose).conf" }

  /// The assignments of section `[Service]`, in their order (systemd.syntax(7)).
  private static func assignments(in text: String) -> [(key: String, value: String)] {
    var found: [(key: String, value: String)] = []
    var section = ""
    var pending = ""
    for line in text.split(separator: "\n") {
      let line = line.trimmingBlanks
      guard !line.hasPrefix("#"), !line.hasPrefix(";") else { continue }
      guard !line.hasSuffix("\\") else {
        pending += line.dropLast() + " "
        continue
      }
      let whole = pending + line
      pending = ""
      if whole.hasPrefix("[") {
        section = whole
      } else if section == "[Service]", let equals = whole.firstIndex(of: "=") {
        let value = whole[whole.index(after: equals)...]
        found.append((String(whole[..<equals].trimmingBlanks), String(value.trimmingBlanks)))
      }
    }
    return found
  }
}

extension StringProtocol where SubSequence == Substring {
  /// Without the blanks at both ends.
  fileprivate var trimmingBlanks: Substring {
    let rest = drop { $0 == " " || $0 == "\t" }
    return rest[..<(rest.lastIndex { $0 != " " && $0 != "\t" }.map(rest.index(after:)) ?? rest.startIndex)]
  }
}

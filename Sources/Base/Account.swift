import Glibc

/// Names of users and groups.
public enum Account {
  /// The user's name, or the number if it has none.
  public static func user(_ id: UInt32) -> String {
    var entry = passwd()
    var buffer = [CChar](repeating: 0, count: 16_384)
    var found: UnsafeMutablePointer<passwd>?
    guard getpwuid_r(id, &entry, &buffer, buffer.count, &found) == 0, let found else { return "\(id)" }
    return String(cString: found.pointee.pw_name)
  }

  /// The group's name, or the number if it has none.
  public static func group(_ id: UInt32) -> String {
    var entry = Glibc.group()
    var buffer = [CChar](repeating: 0, count: 16_384)
    var found: UnsafeMutablePointer<Glibc.group>?
    guard getgrgid_r(id, &entry, &buffer, buffer.count, &found) == 0, let found else { return "\(id)" }
    return String(cString: found.pointee.gr_name)
  }

  /// A group's number by name.
  public static func groupID(named name: String) -> UInt32? {
    var entry = Glibc.group()
    var buffer = [CChar](repeating: 0, count: 16_384)
    var found: UnsafeMutablePointer<Glibc.group>?
    guard getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0, let found else { return nil }
    return found.pointee.gr_gid
  }

  /// A user's number by name.
  public static func userID(named name: String) -> UInt32? {
    var entry = passwd()
    var buffer = [CChar](repeating: 0, count: 16_384)
    var found: UnsafeMutablePointer<passwd>?
    guard getpwnam_r(name, &entry, &buffer, buffer.count, &found) == 0, let found else { return nil }
    return found.pointee.pw_uid
  }
}

import CLinux
package import Dispatch
import Glibc

/// Changes in directories, reported at once (inotify(7)), so that a deleted token file is restored before the next
/// application reads it.
///
/// The check at each heartbeat finds the same changes later, if the kernel grants no watch. All methods belong to the
/// broker's queue.
package final class DirectoryWatch {
  /// What changed.
  package enum Change: Hashable {
    /// The file at this path.
    case file(String)
    /// A directory as a whole, or more changes than the kernel could store: everything must be checked.
    case unknown
  }

  package let descriptor: Int32
  private let source: any DispatchSourceRead
  private var directories: [Int32: String] = [:]
  private var unwatched: Set<String> = []

  /// Whether every named directory has a watch.
  package var isComplete: Bool { unwatched.isEmpty }

  /// A watch that calls `handler` on `queue` when `read` has changes; `nil` if the kernel grants none.
  package init?(queue: DispatchQueue, handler: @escaping @Sendable () -> Void) {
    let descriptor = inotify_init1(O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    self.descriptor = descriptor
    source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
    source.setEventHandler(handler: handler)
    source.setCancelHandler { close(descriptor) }
    source.activate()
  }

  deinit {
    source.cancel()
  }

  /// Watches `directory`. Watching it again is harmless, and needed after it was replaced.
  package func watch(_ directory: String) { note(Self.add(directory, to: descriptor), directory) }

  /// Adds a watch of `directory`. Any thread can call this; the file system can hang.
  ///
  /// - Returns: the number of the watch; `nil` if the kernel grants none.
  package static func add(_ directory: String, to descriptor: Int32) -> Int32? {
    let changes =
      UInt32(IN_DELETE) | UInt32(IN_MOVED_FROM) | UInt32(IN_MOVED_TO) | UInt32(IN_ATTRIB) | UInt32(IN_CLOSE_WRITE)
      | UInt32(IN_MODIFY) | UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF) | UInt32(IN_ONLYDIR)
    let watch = inotify_add_watch(descriptor, directory, changes)
    return watch >= 0 ? watch : nil
  }

  /// Notes the number of a watch of `directory`, as ``add(_:to:)`` returned it.
  package func note(_ number: Int32?, _ directory: String) {
    guard let number else {
      unwatched.insert(directory)
      return
    }
    directories[number] = directory
    unwatched.remove(directory)
  }

  /// The changes since the last call.
  package func read() -> Set<Change> {
    var changes: Set<Change> = []
    withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: MemoryLayout<inotify_event>.alignment) { buffer in
      while true {
        let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
        guard count > 0 else { return }
        var offset = 0
        while offset + MemoryLayout<inotify_event>.size <= count {
          let event = buffer.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
          let nameStart = offset + MemoryLayout<inotify_event>.size
          let name = buffer[nameStart..<min(nameStart + Int(event.len), count)].prefix { $0 != 0 }
          if let directory = directories[event.wd], !name.isEmpty {
            changes.insert(.file(directory + "/" + String(decoding: name, as: UTF8.self)))
          } else {
            changes.insert(.unknown)
          }
          if event.mask & UInt32(IN_IGNORED) != 0 { directories[event.wd] = nil }
          offset = nameStart + Int(event.len)
        }
      }
    }
    return changes
  }
}

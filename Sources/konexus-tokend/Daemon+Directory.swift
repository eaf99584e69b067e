import Base
import Broker
import Files
import Glibc
import Systemd

/// The runtime directory: what the daemon needs there besides the tokens.
extension Daemon {
  /// Makes the runtime directory again if it was removed. The broker then writes the tokens again.
  func restoreDirectory() {
    let directory = environment.tokenDirectory
    // A call on a directory on a disk can hang.
    guard !files.canHang, access(directory, F_OK) != 0, errno == ENOENT else {
      isDirectoryLost = false
      guard !files.canHang else { return }
      restoreMode(of: directory)
      if control?.isThere != true, unopened.isRetryDue(DaemonFile.control) { openControlSocket() }
      if rejections?.isThere != true, unopened.isRetryDue(DaemonFile.rejections) { openRejectionSocket() }
      return
    }
    guard environment.makeTokenDirectory() else {
      let reason = SystemError.text(errno)
      if !isDirectoryLost {
        logger.critical(
          "\(directory) was removed and cannot be made again: \(reason) -> \(ServiceCommands.current.restart)")
      }
      isDirectoryLost = true
      return
    }
    logger.error("\(directory) was removed; it was made again")
    takeAgain(directory)
  }

  /// Undoes a change of the runtime directory's mode that would cost tokens.
  private func restoreMode(of directory: String) {
    guard let (before, after) = directoryMode?.restore() else { return }
    let modes = [before, after].map(FileMode.octal)
    logger.error("the mode of \(directory) was \(modes[0]), which would cost tokens; it is \(modes[1]) now")
    // Other users may have replaced what is there.
    guard before & 0o022 != 0 else { return }
    takeAgain(directory)
  }

  /// Makes the lock, the status and the sockets of the runtime directory again.
  private func takeAgain(_ directory: String) {
    do throws(DirectoryLocks.Held) { try locks.takeAgain(directory) } catch { logger.critical("\(error)") }
    files.reopen()
    openControlSocket()
    openRejectionSocket()
  }

  /// Accepts reports of `konexus-tokend refresh` and of applications.
  func openRejectionSocket() {
    open(DaemonFile.rejections, orWarn: "applications cannot report rejected tokens") { () throws(PublicationFailure) in
      rejections = try RejectionSocket(in: environment.tokenDirectory, queue: broker.queue) {
        [broker] request, peer in broker.assumeIsolated { $0.answer(request, from: peer) }
      }
    }
  }

  /// Accepts requests of `konexus-tokend reload`.
  func openControlSocket() {
    open(DaemonFile.control, orWarn: "konexus-tokend reload does not work") { () throws(PublicationFailure) in
      control = try ControlSocket(in: environment.tokenDirectory, queue: broker.queue) {
        [weak self] request, file, reply in
        self?.assumeIsolated { $0.receive(request, file, reply) }
      }
    }
  }

  /// Opens a socket. Each reason why it cannot be opened is logged once.
  private func open(_ name: String, orWarn problem: String, by opening: () throws(PublicationFailure) -> Void) {
    do throws(PublicationFailure) {
      try opening()
      unopened.remove(name)
    } catch {
      if unopened.note("\(error)", of: name) { logger.warning("\(problem): \(error)") }
    }
  }
}

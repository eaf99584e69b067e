import CLinux
import Foundation
import TestSupport
import Testing

@testable import Broker

@Suite struct ControlClientTests {
  @Test("an answer that comes before the request was sent is an answer")
  func earlyAnswer() throws {
    let directory = try ConfigurationDirectory()
    let listener = try UnixSocket.listen(at: directory.path + "/control", inTheWay: "remove it")
    let rounds = 300
    // As the daemon answers other users: at once, and then it closes the connection.
    let thread = Thread {
      for _ in 0..<rounds {
        var connection: Int32 = -1
        while connection < 0 {
          var waiting = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
          poll(&waiting, 1, 1000)
          connection = linux_accept(listener)
        }
        ControlReply(connection).send(.failed("only root may ask for this"))
      }
    }
    thread.start()
    for _ in 0..<rounds {
      let answer = try ControlClient.send(.reload, passing: nil, in: directory.path, limit: .seconds(10))
      #expect(answer == .failed("only root may ask for this"))
    }
    close(listener)
  }
}

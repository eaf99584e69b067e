import Glibc
import KonexusSandbox

/// An application: it reads a token's file about twenty times a second, and calls the API with the token each time.
///
/// It is a process of its own in Python, over one connection that is kept. It prints a line when the API's answer, or
/// the token, is another than before.
final class APIReader: Sendable {
  /// A row of calls with the same token and the same answer.
  struct Row: Sendable {
    /// When the first one was answered, CLOCK_MONOTONIC.
    var time: Double
    /// The status of the answer; `absent` without a file.
    var answer: String
  }

  private let process: ChildProcess
  private let output: String

  init(_ file: String, at sandbox: Sandbox, in workplace: Workplace) throws {
    output = workplace.path + "/calls.\(UInt32.random(in: .min ... .max))"
    process = try ChildProcess(
      ["python3", "-c", Self.script, file, "\(sandbox.port)", workplace.caFile],
      environment: ["PATH": "/usr/bin:/bin", "LC_ALL": "C"], output: output, errors: workplace.path + "/reader-errors")
  }

  /// The rows so far.
  var rows: [Row] {
    (Workplace.read(output) ?? "").split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ")
      return words.count == 2 ? Double(words[0]).map { Row(time: $0, answer: String(words[1])) } : nil
    }
  }

  /// The answers of the rows so far.
  var answers: [String] { rows.map(\.answer) }

  /// It ends when the test has ended.
  private static let script = #"""
    import http.client, os, ssl, sys, time
    path, port, authority = sys.argv[1:]
    context = ssl.create_default_context(cafile=authority)
    parent, connection, last = os.getppid(), None, None
    while os.getppid() == parent:
        try:
            with open(path) as file:
                token = file.read()
        except OSError:
            token, answer = "", "absent"
        if token:
            try:
                if connection is None:
                    connection = http.client.HTTPSConnection("localhost", int(port), context=context, timeout=10)
                connection.request(
                    "GET", "/api/v2/settings/subscriptions", headers={"Authorization": "Bearer " + token})
                response = connection.getresponse()
                response.read()
                answer = str(response.status)
            except (OSError, http.client.HTTPException):
                # The connection, not the token: the next call makes another.
                connection, answer = None, None
        if answer and (answer, token) != last:
            last = (answer, token)
            print(f"{time.monotonic():.6f} {answer}", flush=True)
        time.sleep(0.05)
    """#
}

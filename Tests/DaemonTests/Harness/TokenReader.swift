import FoundationEssentials
import Glibc
import KonexusSandbox
import Synchronization

/// A program of a user's: reads a token's file about fifty times a second, in a process of its own and not in Swift.
///
/// It calls the API with each new content at once. The time of each read shows whether the token had expired.
/// It is written in Perl, because every Debian has Perl: the package perl-base is essential.
final class TokenReader: Sendable {
  /// A row of reads that found the same.
  struct Reading: Sendable {
    /// `token`, `empty`, or `absent:ERRNO`.
    var kind: String
    var text: String
    /// Times of the first and of the last read, CLOCK_MONOTONIC.
    var first: Double
    var last: Double
    /// The last read's wall-clock time.
    var lastUnix: Double
    var count: Int

    var isToken: Bool { kind == "token" }
  }

  /// The results of the reader.
  struct Report: Sendable, CustomStringConvertible {
    var reads = 0
    var accepted = 0
    /// Reads of a token that the API does not accept, by reason; `malformed` are torn ones.
    var refused: [String: Int] = [:]
    var empty = 0
    /// From the first token on: the times without a file, CLOCK_MONOTONIC.
    var gaps: [ClosedRange<Double>] = []
    /// How many different tokens were seen.
    var tokens = 0

    var description: String {
      "\(reads) reads, \(accepted) accepted, refused \(refused), \(empty) empty, \(gaps.count) gaps, \(tokens) tokens"
    }
  }

  private let process: ChildProcess
  private let output: String
  private let sandbox: Sandbox
  /// What the API said of each token when it was new.
  private let verdicts = Mutex<[String: String?]>([:])

  init(_ file: String, sandbox: Sandbox, in workplace: Workplace) throws {
    output = workplace.path + "/reads.\(UInt32.random(in: .min ... .max))"
    self.sandbox = sandbox
    process = try ChildProcess(
      ["perl", "-e", Self.script, file, "0.02"], environment: ["PATH": "/usr/bin:/bin", "LC_ALL": "C"], output: output,
      errors: workplace.path + "/reader-errors")
  }

  /// Ends the reader and returns its report.
  func finish() -> Report {
    judge()
    process.signal(SIGTERM)
    process.wait()
    judge()
    return report()
  }

  /// The results so far.
  func report() -> Report {
    let skew = sandbox.settings.clockSkew
    let verdicts = verdicts.withLock { $0 }
    var report = Report()
    var seen: Set<String> = []
    var gapStart: Double?
    for reading in readings {
      report.reads += reading.count
      if reading.isToken {
        if let start = gapStart { report.gaps.append(start...reading.first) }
        gapStart = nil
        seen.insert(reading.text)
        if let reason = verdicts[reading.text] ?? "never judged", reason != "expired" {
          report.refused[reason, default: 0] += reading.count
        } else if let end = Self.expiry(of: reading.text), reading.lastUnix + skew < end {
          report.accepted += reading.count
        } else {
          report.refused["expired", default: 0] += 1
          report.accepted += reading.count - 1
        }
      } else {
        if reading.kind == "empty" { report.empty += reading.count }
        if !seen.isEmpty { gapStart = gapStart ?? reading.first }
      }
    }
    if let gapStart { report.gaps.append(gapStart...Clock.monotonic) }
    report.tokens = seen.count
    return report
  }

  /// Shows the API every token that it has not seen yet. Called about twenty times a second.
  func judge() {
    for reading in readings where reading.isToken {
      let isNew = verdicts.withLock { $0[reading.text] == nil }
      guard isNew else { continue }
      let verdict = sandbox.refusal(of: reading.text)
      verdicts.withLock { $0[reading.text] = .some(verdict) }
    }
  }

  /// All readings so far.
  var readings: [Reading] {
    var readings: [Reading] = []
    for line in (Workplace.read(output) ?? "").split(separator: "\n") {
      let words = line.split(separator: " ", omittingEmptySubsequences: false)
      switch words[0] {
      case "begin" where words.count == 5:
        let time = Double(words[1]) ?? .nan
        readings.append(
          Reading(
            kind: String(words[3]), text: String(words[4]), first: time, last: time, lastUnix: Double(words[2]) ?? .nan,
            count: 1))
      case "end" where words.count == 4 && !readings.isEmpty:
        readings[readings.count - 1].last = Double(words[1]) ?? .nan
        readings[readings.count - 1].lastUnix = Double(words[2]) ?? .nan
        readings[readings.count - 1].count = Int(words[3]) ?? 0
      default: break
      }
    }
    return readings
  }

  /// The `exp` of a token; nil if it has none.
  static func expiry(of token: String) -> Double? {
    struct Claims: Decodable { var exp: Double }
    let parts = token.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3 else { return nil }
    var text = String(parts[1]).replacing("-", with: "+").replacing("_", with: "/")
    while text.count % 4 != 0 { text += "=" }
    return Data(base64Encoded: text).flatMap { try? JSONDecoder().decode(Claims.self, from: $0) }?.exp
  }

  /// Times are read before the file is opened. The script ends on request, and when the test has ended.
  private static let script = #"""
    use strict; use Time::HiRes qw(time sleep clock_gettime CLOCK_MONOTONIC);
    my ($path, $period) = @ARGV; my $stop = 0; my $parent = getppid();
    $SIG{TERM} = sub { $stop = 1 }; $| = 1;
    my ($kind, $text, $last, $unix, $count);
    while (!$stop && getppid() == $parent) {
      my $now = clock_gettime(CLOCK_MONOTONIC); my $wall = time;
      my ($k, $t) = ("", "");
      if (open(my $file, "<", $path)) {
        local $/; $t = <$file>; my $error = $! + 0;
        if (!defined $t) { $k = "absent:$error"; $t = ""; } else { $k = length $t ? "token" : "empty"; }
        close $file;
      } else { $k = "absent:" . ($! + 0); }
      $t =~ s/[^!-~]/?/g;
      if (!defined $kind || $k ne $kind || $t ne $text) {
        printf "end %.6f %.6f %d\n", $last, $unix, $count if defined $kind;
        printf "begin %.6f %.6f %s %s\n", $now, $wall, $k, $t;
        ($kind, $text, $count) = ($k, $t, 0);
      }
      ($last, $unix) = ($now, $wall); $count++;
      sleep $period;
    }
    printf "end %.6f %.6f %d\n", $last, $unix, $count if defined $kind;
    """#
}

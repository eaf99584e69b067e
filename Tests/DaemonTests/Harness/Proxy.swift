import Glibc
import Synchronization
import Testing

/// An HTTP proxy (CONNECT, RFC 9110, section 9.3.6) in its own process.
///
/// It can be stopped, started again on the same port, and made to refuse requests.
/// It is written in Perl, as the reader is, because every Debian has Perl.
final class Proxy: Sendable {
  let port: Int
  var url: String { "http://127.0.0.1:\(port)" }
  private let process: Mutex<ChildProcess>
  private let workplace: Workplace
  private let orders: String

  static func start(in scene: Scene) async throws -> Proxy {
    let workplace = scene.workplace
    let output = workplace.path + "/proxy"
    let orders = workplace.path + "/proxy-orders"
    try workplace.write("200", to: orders)
    let process = try launch(port: 0, orders: orders, output: output, in: workplace)
    try await scene.wait(for: "the proxy") { Workplace.read(output)?.hasSuffix("\n") ?? false }
    guard let port = Workplace.read(output).flatMap({ Int($0.dropLast()) }) else { throw HarnessError("no proxy") }
    return Proxy(port: port, process: process, workplace: workplace, orders: orders)
  }

  private init(port: Int, process: ChildProcess, workplace: Workplace, orders: String) {
    self.port = port
    self.process = Mutex(process)
    self.workplace = workplace
    self.orders = orders
  }

  /// Ends it and all its tunnels.
  func stop() {
    process.withLock { $0.kill() }
  }

  /// Starts it again at the same port; returns when it listens.
  func startAgain() async throws {
    let output = workplace.path + "/proxy.\(UInt32.random(in: .min ... .max))"
    let next = try Self.launch(port: port, orders: orders, output: output, in: workplace)
    process.withLock { $0 = next }
    while next.ending == nil, Workplace.read(output)?.hasSuffix("\n") != true {
      try await Task.sleep(for: .milliseconds(20))
    }
    guard next.ending == nil else { throw HarnessError("the proxy does not start again") }
  }

  /// What it answers to CONNECT from now on. With any but 200, its tunnels end.
  func answer(_ status: Int) throws {
    try workplace.write("\(status)", to: orders)
  }

  private static func launch(
    port: Int, orders: String, output: String, in workplace: Workplace
  ) throws -> ChildProcess {
    try ChildProcess(
      ["perl", "-e", script, "\(port)", orders], environment: ["PATH": "/usr/bin:/bin", "LC_ALL": "C"],
      output: output, errors: workplace.path + "/proxy-errors")
  }

  private static let script = #"""
    use strict; use IO::Socket::INET; use IO::Select;
    my ($port, $orders) = @ARGV; my $parent = getppid(); $| = 1; $SIG{PIPE} = "IGNORE";
    my $door = IO::Socket::INET->new(Listen => 50, LocalAddr => "127.0.0.1", LocalPort => $port, ReuseAddr => 1)
      or die "$!";
    print $door->sockport, "\n";
    my $all = IO::Select->new($door); my (%peer, %asked);
    sub order { open(my $file, "<", $orders) or return 200; my $status = <$file>; $status + 0 }
    sub drop { my $one = shift; my $other = delete $peer{$one}; delete $asked{$one}; $all->remove($one); close $one;
      if ($other) { delete $peer{$other}; $all->remove($other); close $other; } }
    sub pass { my ($to, $data) = @_; my $at = 0;
      while ($at < length $data) {
        my $sent = syswrite($to, $data, length($data) - $at, $at); last unless $sent; $at += $sent; } }
    sub refuse { my ($one, $status) = @_;
      syswrite($one, "HTTP/1.1 $status\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"); drop($one); }
    while (getppid() == $parent) {
      my $status = order();
      if ($status != 200) {
        for my $one ($all->handles) { drop($one) if $one != $door && fileno($one) && $peer{$one}; } }
      for my $one ($all->can_read(0.05)) {
        if ($one == $door) { my $new = $door->accept or next; $all->add($new); $asked{$new} = ""; next; }
        next unless defined fileno($one);
        my $count = sysread($one, my $data, 65536);
        if (!$count) { drop($one); next; }
        if (my $other = $peer{$one}) { pass($other, $data); next; }
        $asked{$one} .= $data;
        next unless $asked{$one} =~ /\r\n\r\n/;
        my ($host, $target) = $asked{$one} =~ /^CONNECT ([^: ]+):(\d+) /;
        $status = order();
        if ($status != 200 || !$target) { refuse($one, "$status Refused"); next; }
        my $server = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $target);
        if (!$server) { syswrite($one, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"); drop($one); next; }
        delete $asked{$one}; $peer{$one} = $server; $peer{$server} = $one; $all->add($server);
        syswrite($one, "HTTP/1.1 200 Connected\r\n\r\n");
      }
    }
    """#
}

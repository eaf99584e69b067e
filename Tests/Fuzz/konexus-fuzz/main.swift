import Glibc

// libFuzzer's own driver, whose options and corpora follow the target's name: konexus-fuzz TARGET [-max_total_time=300] CORPUS...
// It is given what `Tests/Fuzz/run` links: the library without a main of its own.

typealias Arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

@_silgen_name("LLVMFuzzerRunDriver")
func fuzzerRunDriver(
  _ count: UnsafeMutablePointer<Int32>, _ arguments: UnsafeMutablePointer<Arguments>,
  _ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

guard CommandLine.argc > 1, let target = FuzzTarget(rawValue: CommandLine.arguments[1]) else {
  print("name a target: " + FuzzTarget.allCases.map(\.rawValue).joined(separator: ", "))
  exit(EX_USAGE)
}
FuzzTarget.chosen = target
var count = CommandLine.argc - 1
var arguments: Arguments = CommandLine.unsafeArgv + 1
exit(
  fuzzerRunDriver(&count, &arguments) { bytes, count in
    FuzzTarget.chosen.read(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
  })

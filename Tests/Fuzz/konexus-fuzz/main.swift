import Glibc

// libFuzzer's own driver: KONEXUS_FUZZ_TARGET=TARGET konexus-fuzz [-max_total_time=300] CORPUS...
// The target is no argument, since the driver starts the program again with its own arguments (-merge=1, -jobs=2).

typealias Arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

@_silgen_name("LLVMFuzzerRunDriver")
func fuzzerRunDriver(
  _ count: UnsafeMutablePointer<Int32>, _ arguments: UnsafeMutablePointer<Arguments>,
  _ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

let name = getenv("KONEXUS_FUZZ_TARGET").map { String(cString: $0) } ?? ""
guard let target = FuzzTarget(rawValue: name) else {
  print("set KONEXUS_FUZZ_TARGET to one of: " + FuzzTarget.allCases.map(\.rawValue).joined(separator: ", "))
  exit(EX_USAGE)
}
FuzzTarget.chosen = target
var count = CommandLine.argc
var arguments: Arguments = CommandLine.unsafeArgv
exit(
  fuzzerRunDriver(&count, &arguments) { bytes, count in
    FuzzTarget.chosen.read(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
  })

import ArgumentParser
import Glibc

extension ExitCode {
  /// `EX_CONFIG`: the configuration is wrong; a restart would not help (`RestartPreventExitStatus=78`).
  static let configuration = ExitCode(EX_CONFIG)
}

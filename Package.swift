// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

// The commit for `--version`: `make build` sets it.
let commit = (Context.environment["KONEXUS_COMMIT"] ?? "").filter { "0123456789abcdef-dirty".contains($0) }

let package = Package(
  name: "konexus-tokend",
  products: [
    .executable(name: "konexus-tokend", targets: ["konexus-tokend"]),
    .executable(name: "konexus-sandbox", targets: ["konexus-sandbox"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-asn1", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-certificates", from: "1.21.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
    .package(
      url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
    .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.0"),
  ],
  targets: [
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(
      name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CLinux"),
    .target(name: "CRelease", cSettings: [.define("KONEXUS_COMMIT", to: "\"\(commit)\"")]),
    .systemLibrary(
      name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "Base", dependencies: ["CLinux"], exclude: ["README.md"], swiftSettings: settings),
    .target(name: "Cryptography", dependencies: ["Base", "CCrypto"], exclude: ["README.md"], swiftSettings: settings),
    .target(
      name: "Files", dependencies: ["Base", "CLinux"], exclude: ["README.md"], swiftSettings: settings),
    .target(name: "TOML", dependencies: ["Base"], exclude: ["README.md"], swiftSettings: settings),
    .target(
      name: "HTTP", dependencies: ["Base", "CCurl", "CZlib", "Files"], exclude: ["README.md"], swiftSettings: settings),
    .target(
      name: "Systemd",
      dependencies: ["Base", "CSystemd", "Files", .product(name: "Logging", package: "swift-log")],
      exclude: ["README.md"], swiftSettings: settings),
    .target(
      name: "OAuth", dependencies: ["Base", "Cryptography", "HTTP"], exclude: ["README.md"], swiftSettings: settings),
    .target(
      name: "Settings",
      dependencies: [
        "Base", "Cryptography", "Files", "HTTP", "OAuth", "TOML",
        .product(name: "Logging", package: "swift-log"),
      ],
      exclude: ["README.md"], swiftSettings: settings),
    .target(
      name: "Engine",
      dependencies: [
        "Base", .product(name: "HeapModule", package: "swift-collections"),
        .product(name: "OrderedCollections", package: "swift-collections"),
      ],
      exclude: ["README.md"], swiftSettings: settings),
    .target(
      name: "Publication",
      dependencies: ["Base", "Cryptography", "Engine", "Files", "OAuth", "Settings"], exclude: ["README.md"],
      swiftSettings: settings),
    .target(
      name: "Broker",
      dependencies: [
        "Base", "CLinux", "Cryptography", "Engine", "Files", "HTTP", "OAuth", "Publication", "Settings",
        .product(name: "Logging", package: "swift-log"),
      ],
      exclude: ["README.md"],
      swiftSettings: settings),
    .target(
      name: "Report",
      dependencies: ["Base", "Broker", "CLinux", "Engine", "Files", "HTTP", "OAuth", "Publication", "Settings"],
      exclude: ["README.md"], swiftSettings: settings),
    .executableTarget(
      name: "konexus-tokend",
      dependencies: [
        "Base", "Broker", "CLinux", "CRelease", "Files", "HTTP", "OAuth", "Publication", "Report", "Settings",
        "Systemd",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      exclude: ["README.md"], swiftSettings: settings),
    .target(
      name: "KonexusSandbox",
      dependencies: [
        "CZlib",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "CryptoExtras", package: "swift-crypto"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HummingbirdTLS", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "X509", package: "swift-certificates"),
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "konexus-sandbox",
      dependencies: [
        "KonexusSandbox",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
    // Only for `make fleet`. Apart from a test, no other target uses it.
    .target(
      name: "FleetSimulation", dependencies: ["Base", "Engine"], path: "Benchmarks/FleetSimulation",
      swiftSettings: settings),
    .executableTarget(
      name: "konexus-fleet",
      dependencies: ["FleetSimulation", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      path: "Benchmarks/konexus-fleet", swiftSettings: settings),
    // Only for `make simulate` and the tests.
    .target(
      name: "HostSimulation", dependencies: ["Base", "Engine"], path: "Tests/Simulation/HostSimulation",
      swiftSettings: settings),
    .executableTarget(
      name: "konexus-simulate",
      dependencies: ["HostSimulation", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      path: "Tests/Simulation/konexus-simulate", swiftSettings: settings),
    .testTarget(
      name: "SystemdTests",
      dependencies: ["Base", "CSystemd", "Systemd", .product(name: "Logging", package: "swift-log")],
      swiftSettings: settings),
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
    .testTarget(name: "BaseTests", dependencies: ["Base"], swiftSettings: settings),
    .testTarget(
      name: "CryptographyTests",
      dependencies: [
        "Base", "CCrypto", "Cryptography",
        // Only for these tests: another implementation, whose verdicts are compared.
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "CryptoExtras", package: "swift-crypto"),
      ],
      swiftSettings: settings),
    .testTarget(name: "FilesTests", dependencies: ["Base", "Files", "HTTP"], swiftSettings: settings),
    .testTarget(
      name: "TOMLTests",
      dependencies: [
        "Base", "Settings", "TOML",
        // Only for these tests: the TOML reader with which the daemon's own is compared.
        .product(name: "TOMLKit", package: "TOMLKit"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "HTTPTests",
      dependencies: [
        "Base", "CZlib", "Files", "HTTP", "OAuth", "TestSupport",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "X509", package: "swift-certificates"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "OAuthTests",
      dependencies: [
        "Base", "Cryptography", "HTTP", "OAuth", "TestSupport",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "CryptoExtras", package: "swift-crypto"),
        .product(name: "X509", package: "swift-certificates"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "SettingsTests",
      dependencies: [
        "Base", "Broker", "Files", "HTTP", "Settings", "TestSupport",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "EngineTests", dependencies: ["Base", "Engine", "FleetSimulation", "HostSimulation"],
      swiftSettings: settings),
    .testTarget(
      name: "BrokerTests",
      dependencies: [
        "Base", "Broker", "CLinux", "Engine", "Files", "HTTP", "OAuth", "Publication", "Settings", "TestSupport",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "ReportTests", dependencies: ["Base", "Engine", "Files", "OAuth", "Publication", "Report", "Settings"],
      swiftSettings: settings),
    .testTarget(
      name: "SandboxTests",
      dependencies: [
        "KonexusSandbox", "konexus-sandbox",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "CryptoExtras", package: "swift-crypto"),
        .product(name: "JWTKit", package: "jwt-kit"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "DaemonTests",
      dependencies: [
        "Base", "Broker", "HTTP", "KonexusSandbox", "Publication", "Report", "konexus-tokend",
      ],
      swiftSettings: settings),
  ]
)

// For `make fuzz` only: instruments the targets that read foreign bytes with the counters that libFuzzer uses.
// The variable holds the path of libFuzzer's library.
if let fuzzer = Context.environment["KONEXUS_LIBFUZZER"] {
  let instrumented: [SwiftSetting] = [.unsafeFlags(["-sanitize=fuzzer", "-enable-testing"])]
  for target in package.targets
  where [
    "Base", "Broker", "Cryptography", "HTTP", "OAuth", "TOML", "Settings", "Publication", "Report",
  ].contains(target.name) {
    target.swiftSettings = settings + instrumented
  }
  package.targets.append(
    .executableTarget(
      name: "konexus-fuzz", dependencies: ["Base", "Broker", "HTTP", "OAuth", "Settings"],
      path: "Tests/Fuzz/konexus-fuzz",
      swiftSettings: settings, linkerSettings: [.unsafeFlags([fuzzer, "-lstdc++"])]))
}

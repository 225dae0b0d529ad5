// swift-tools-version: 6.2
import PackageDescription

/// Set by scripts/fuzz for a build of its own: our modules then tell libFuzzer which branches they take, and there is one
/// program more, `meshfuzz`.
let isFuzzed = Context.environment["MESHNODE_FUZZ"] == "1"
let instrumentation: [SwiftSetting] = isFuzzed ? [.unsafeFlags(["-sanitize=fuzzer", "-enable-testing"])] : []

/// Every target of ours is held to the same rules; packages we depend on are not.
let settings: [SwiftSetting] =
    instrumentation + [
        .swiftLanguageMode(.v6),
        .treatAllWarnings(as: .error),
        .strictMemorySafety(),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
        .enableExperimentalFeature("Lifetimes"),
    ]

let collections: [Target.Dependency] = [
    .product(name: "DequeModule", package: "swift-collections"),
    .product(name: "HeapModule", package: "swift-collections"),
]
let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
]
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
/// The server without the framework around it: routes, errors and limits of the gateway are its own.
let http: [Target.Dependency] = [
    .product(name: "HummingbirdCore", package: "hummingbird"),
    .product(name: "HTTPTypes", package: "swift-http-types"),
    .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
]
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")
let systemPackage: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}
func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    // A program exports nothing, so its tests look inside with `@testable`, which release builds must be told to allow.
    .executableTarget(
        name: name, dependencies: dependencies, swiftSettings: settings + [.unsafeFlags(["-enable-testing"])])
}
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name + "Tests", dependencies: dependencies, swiftSettings: settings)
}

/// Links libFuzzer's runtime, and compiles what it needs of the daemon's own folders: a program cannot be imported.
let fuzzers: [Target] = [
    .executableTarget(
        name: "meshfuzz",
        dependencies: [
            "MeshCore", "MeshTransport", "MeshStorage", "MeshRuntime", "MeshGateway", "CYAML", logging,
        ] + http + nio,
        path: "Tests/fuzz", exclude: ["corpus"], swiftSettings: settings + [.enableExperimentalFeature("Extern")],
        linkerSettings: [.unsafeFlags(["-sanitize=fuzzer"])])
]

let package = Package(
    name: "meshnode",
    products: [
        .executable(name: "meshnode", targets: ["meshnode"]),
        .executable(name: "meshsim", targets: ["meshsim"]),
        .executable(name: "meshbench", targets: ["meshbench"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CRocksDB", pkgConfig: "rocksdb", providers: [.apt(["librocksdb-dev"])]),
        // Types of NVIDIA's management library, which is opened at run time.
        .systemLibrary(name: "CNVML"),
        // What of Linux Swift's Glibc module does not show: sendmmsg for batches of datagrams, adjtimex.
        .target(name: "CDatagrams"),
        // Counts allocations, for meshbench.
        .target(name: "CMallocCounter"),

        module("MeshCore", collections),
        module("MeshTransport", ["MeshCore", "CDatagrams", "CSodium", "CLZ4", logging, metrics] + nio),
        module("MeshStorage", ["MeshCore", "CRocksDB", logging, metrics]),
        module("MeshRuntime", ["MeshCore", logging, metrics] + collections),
        module("MeshWorkers", ["MeshRuntime", "MeshCore", logging, subprocess, systemPackage] + collections),
        module("MeshGateway", ["MeshRuntime", "MeshCore", logging, metrics] + http + nio),
        module("MeshSimulation", ["MeshCore", "MeshRuntime"] + collections),

        program(
            "meshnode",
            [
                "MeshCore", "MeshTransport", "MeshStorage", "MeshRuntime", "MeshWorkers", "MeshGateway",
                "CNVML", "CYAML", arguments, signals, httpClient, logging, metrics,
            ] + nio),
        program("meshsim", ["MeshCore", "MeshSimulation", arguments]),
        program(
            "meshbench",
            [
                "MeshCore", "MeshTransport", "MeshStorage", "MeshRuntime", "CSodium", "CMallocCounter", arguments,
                logging,
            ] + nio),

        tests("MeshCore", ["MeshCore"]),
        tests("MeshTransport", ["MeshTransport", "MeshCore", logging] + nio),
        tests("MeshStorage", ["MeshStorage", "MeshCore"]),
        tests("MeshRuntime", ["MeshRuntime", "MeshStorage", "MeshCore", logging]),
        tests("MeshWorkers", ["MeshWorkers", "MeshRuntime", "MeshCore", logging]),
        tests("MeshGateway", ["MeshGateway", "MeshRuntime", "MeshCore", logging, metrics, httpClient] + http + nio),
        tests("MeshSimulation", ["MeshSimulation", "MeshCore"]),
        tests(
            "meshnode",
            ["meshnode", "MeshCore", "MeshRuntime", "MeshStorage", "MeshTransport", arguments, logging, subprocess]),
    ] + (isFuzzed ? fuzzers : [])
)

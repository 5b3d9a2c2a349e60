// swift-tools-version: 6.3
import PackageDescription

// Every Swift target is built the same way: Swift 6 mode, the upcoming features that will be
// the default one day, memory-unsafe code marked, and no warning left standing.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableExperimentalFeature("Lifetimes"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

/// A target of the appliance; the list of what it may import is the architecture.
func part(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// The tests of one target; they reach `package` declarations and so run in release mode, too.
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name,
        dependencies: dependencies + ["TestSupport"],
        swiftSettings: strict
    )
}

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let coreMetrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(
    name: "ServiceLifecycle",
    package: "swift-service-lifecycle"
)
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "leeway",
    products: [.executable(name: "leeway", targets: ["leeway"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", exact: "1.0.2", traits: []),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        // The command line.
        .executableTarget(
            name: "leeway",
            dependencies: ["Appliance", "Tools", arguments],
            swiftSettings: strict
        ),
        part(
            "Tools",
            [
                "Serving", "Retraining", "HTTPTransport", "TLSTransport", "Transfer", "ModelStore",
                "Telemetry", "Digest", "Compression", "Drift", "Features", "NeuralNetwork",
                nioCore, nioPosix,
            ]
        ),
        part(
            "Appliance",
            [
                "Serving", "Retraining", "HTTPTransport", "TLSTransport", "Transfer", "ModelStore",
                "Telemetry", "Digest", "Compression", "Drift", "Features", "NeuralNetwork",
                "Files", lifecycle, unixSignals, logging, nioCore, nioPosix, yams,
            ]
        ),
        // The two flows.
        part(
            "Serving",
            [
                "HTTPTransport", "ModelStore", "Drift", "Features", "NeuralNetwork", "Telemetry",
                "Digest", nioCore, logging,
            ]
        ),
        part(
            "Retraining",
            [
                "Transfer", "ModelStore", "Drift", "Features", "NeuralNetwork", "Telemetry",
                "Compression", "Digest", "Files", logging, subprocess,
            ]
        ),
        // What they stand on.
        part(
            "HTTPTransport",
            ["TLSTransport", "Telemetry", "Compression", nioCore, nioPosix, logging]
        ),
        part("TLSTransport", ["COpenSSL", "Telemetry", "Files", nioCore, nioTLS]),
        part("Transfer", ["CCurl", "Telemetry", "Digest", "Files", logging]),
        part("ModelStore", ["NeuralNetwork", "Features", "Drift", "Digest", "Files"]),
        part("Telemetry", ["CGlibc", logging, coreMetrics]),
        part("Digest", ["COpenSSL"]),
        part("Compression", ["CZlib"]),
        part("Files"),
        // Pure: values in, values out.
        part("Drift", ["CKernels", "Features"]),
        part("Features"),
        part("NeuralNetwork", ["CKernels"]),
        // C.
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CCurl",
            pkgConfig: "libcurl",
            providers: [.apt(["libcurl4-openssl-dev"])]
        ),
        .systemLibrary(name: "CGlibc"),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(
            name: "CKernels",
            cSettings: [.unsafeFlags(["-O3", "-Wall", "-Wextra", "-Werror"])]
        ),
        // Tests.
        .target(
            name: "TestSupport",
            dependencies: ["HTTPTransport", "TLSTransport", "Transfer", "Files"],
            path: "Tests/TestSupport",
            exclude: ["Server"],
            swiftSettings: strict
        ),
        .target(
            name: "ModelTestSupport",
            dependencies: [
                "TestSupport", "Retraining", "ModelStore", "HTTPTransport", "TLSTransport",
                "Transfer", "Telemetry", "Compression", "Digest", "Drift", "Features",
                "NeuralNetwork", "Files", logging, nioCore, nioPosix,
            ],
            path: "Tests/ModelTestSupport",
            swiftSettings: strict
        ),
        tests("TidyTests", ["Files"]),
        tests("FilesTests", ["Files"]),
        tests("DigestTests", ["Digest"]),
        tests("CompressionTests", ["Compression"]),
        tests("NeuralNetworkTests", ["NeuralNetwork", "CKernels"]),
        tests("FeaturesTests", ["Features"]),
        tests("DriftTests", ["Drift", "Features"]),
        tests("TelemetryTests", ["Telemetry", logging, coreMetrics]),
        tests("TransferTests", ["Transfer", "Telemetry", "Digest", "Files", logging]),
        tests(
            "ModelStoreTests",
            [
                "ModelStore", "ModelTestSupport", "Drift", "Features", "NeuralNetwork", "Digest",
                "Files",
            ]
        ),
        tests(
            "RetrainingTests",
            [
                "Retraining", "ModelStore", "ModelTestSupport", "Transfer", "Telemetry", "Digest",
                "Compression", "NeuralNetwork", "Features", "Drift", "Files", logging,
            ]
        ),
        tests(
            "ServingTests",
            [
                "Serving", "ModelStore", "ModelTestSupport", "HTTPTransport", "TLSTransport",
                "Telemetry", "Drift", "Features", "NeuralNetwork", "Files", "Digest", logging,
                nioCore, nioPosix,
            ]
        ),
        tests(
            "ApplianceTests",
            [
                "Appliance", "Serving", "ModelStore", "ModelTestSupport", "NeuralNetwork",
                "TLSTransport", "Retraining", "Transfer",
                "Telemetry", "Files", "Compression", "Drift", logging, yams,
                nioCore, nioPosix,
            ]
        ),
        tests(
            "ToolsTests",
            ["Tools", "Features", "NeuralNetwork", "ModelStore", "ModelTestSupport", "Files"]
        ),
        tests(
            "FlowTests",
            [
                "Serving", "Retraining", "ModelStore", "ModelTestSupport", "HTTPTransport",
                "TLSTransport", "Transfer", "Telemetry", "Files", logging, nioCore, nioPosix,
            ]
        ),
        tests(
            "TLSTransportTests",
            [
                "TLSTransport", "COpenSSL", "Telemetry", "Files", nioCore, nioPosix, nioTLS,
                nioEmbedded, subprocess,
            ]
        ),
        tests(
            "HTTPTransportTests",
            [
                "HTTPTransport", "TLSTransport", "Telemetry", "Compression", nioCore, nioPosix,
                nioEmbedded, nioHTTP1,
            ]
        ),
    ]
)

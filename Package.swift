// swift-tools-version: 6.2
import PackageDescription

/// Language rules that hold for every Swift target of the package.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
]

/// An arrow of the design: a file may import only what its target lists here. `scripts/check` verifies it.
func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

func example(_ name: String, _ folder: String) -> Target {
    .executableTarget(
        name: name, dependencies: ["EvGateway"], path: "Examples/\(folder)", swiftSettings: strict)
}

let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
    name: "evgateway",
    products: [
        .executable(name: "evgateway", targets: ["evgateway"]),
        .library(name: "EvGateway", targets: ["EvGateway"]),
        .library(name: "EvPython", type: .dynamic, targets: ["EvPython"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    ],
    targets: [
        // C is used only where Swift cannot be: libev's macros, fork, Python's macros, the byte scanner of the head.
        .target(name: "CEvLoop", linkerSettings: [.linkedLibrary("ev")]),
        .target(name: "CHTTP"),
        .target(name: "CTLS", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .target(name: "CZlib", linkerSettings: [.linkedLibrary("z")]),
        .target(name: "CNGHTTP2", linkerSettings: [.linkedLibrary("nghttp2")]),
        .target(name: "CThreadPool"),
        // The Python package is a resource of the target in C: for one in Swift, the package manager adds a file that
        // imports Foundation, which every worker would then hold in memory.
        .target(name: "CPythonBridge", dependencies: ["CHTTP", "CThreadPool"], resources: [.copy("python")]),

        library("EvLoop", ["CEvLoop"]),
        library("EvBus", ["EvLoop", "CEvLoop", "CTLS", logging]),
        library("HTTPCore", ["CHTTP"]),
        library("HTTP1", ["HTTPCore", "CHTTP"]),
        library("HTTP2", ["CNGHTTP2"]),
        library("GatewayProtocols", []),
        library("JSONText", []),
        library("GRIP", ["JSONText"]),
        library("WebSocketCodec", ["HTTPCore", "CZlib"]),
        library(
            "EvServer",
            [
                "EvLoop", "EvBus", "CTLS", "HTTPCore", "HTTP1", "HTTP2", "GatewayProtocols", "WebSocketCodec", "GRIP",
                "JSONText", logging,
            ]),
        library("EvSupervisor", ["EvLoop", "EvBus", logging]),
        library("EvSettings", ["EvLoop", "EvBus"]),
        library("EvAdmin", ["EvSupervisor", "EvServer", "EvBus", "EvLoop", "HTTPCore", "GRIP", "JSONText", logging]),
        library(
            "EvHost",
            ["EvAdmin", "EvSettings", "EvSupervisor", "EvServer", "EvBus", "EvLoop", "GRIP", "JSONText", logging]),
        // Below this line alone is HTTPTypes, which brings Foundation with it: a worker of a Python app holds neither.
        library(
            "EvGateway",
            [
                "EvHost", "EvSettings", "EvServer", "EvLoop", "GRIP", "HTTPCore", "HTTP1", "WebSocketCodec", httpTypes,
                logging,
            ]),
        .target(
            name: "EvPython",
            dependencies: [
                "EvHost", "EvSettings", "EvSupervisor", "EvServer", "EvLoop", "GRIP", "HTTPCore", "WebSocketCodec",
                "CHTTP", "CPythonBridge", "CThreadPool", logging,
            ],
            swiftSettings: strict),
        .executableTarget(name: "evgateway", dependencies: ["EvHost"], swiftSettings: strict),

        example("example-hello", "hello"),
        example("example-longpoll", "longpoll/swift"),
        example("example-longpoll-chat", "longpoll-chat"),
        example("example-server-sent-events", "server-sent-events"),
        example("example-websocket-echo", "websocket-echo"),
        example("example-websocket-chat", "websocket-chat"),

        .target(name: "EvTestSupport", dependencies: ["EvLoop"], path: "Tests/Support", swiftSettings: strict),
        tests("CThreadPoolTests", ["CThreadPool", "EvTestSupport"]),
        tests("EvLoopTests", ["EvLoop", "CEvLoop", "EvTestSupport"]),
        tests("HTTPCoreTests", ["HTTPCore", "CHTTP"]),
        tests("HTTP1Tests", ["HTTP1", "HTTPCore", "CHTTP", "EvTestSupport"]),
        tests("HTTP2Tests", ["HTTP2", "CNGHTTP2", "EvTestSupport"]),
        tests("GatewayProtocolsTests", ["GatewayProtocols", "EvTestSupport"]),
        tests("JSONTextTests", ["JSONText"]),
        tests("GRIPTests", ["GRIP", "JSONText", "CTLS", "EvTestSupport"]),
        tests("WebSocketCodecTests", ["WebSocketCodec", "HTTP1", "HTTPCore", "CZlib", "EvTestSupport"]),
        tests(
            "EvServerTests",
            [
                "EvServer", "EvGateway", "EvBus", "EvLoop", "GRIP", "HTTPCore", "HTTP1", "GatewayProtocols", "CHTTP",
                "CTLS",
                "EvTestSupport", httpTypes, logging,
            ]),
        tests("EvSettingsTests", ["EvSettings", "EvLoop"]),
        tests("EvHostTests", ["EvHost", "EvGateway", "EvServer", "EvSettings", "EvLoop", logging]),
        tests("EvBusTests", ["EvBus", "EvLoop", "EvTestSupport"]),
        tests("EvSupervisorTests", ["EvSupervisor", "EvBus", "EvLoop", logging]),
        tests("EvAdminTests", ["EvAdmin", "EvSupervisor", "EvServer", "EvLoop", "JSONText"]),
        tests("ExampleLongpollTests", ["example-longpoll", "EvLoop"]),
    ]
)

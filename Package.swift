// swift-tools-version: 6.2
//
// Apus, an MQTT broker made for systemd. ARCHITECTURE.md explains the targets and the arrows between them.

import PackageDescription

/// Every Swift target is built alike: Swift 6, strict memory safety, explicit existentials and imports. In CI
/// warnings are errors.
let settings: [SwiftSetting] =
    [
        .strictMemorySafety(),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableExperimentalFeature("Lifetimes"),
        // The path of a message crosses modules: without this every call from one into the next stays a call.
        .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
    ] + (Context.environment["CI"] == nil ? [] : [.treatAllWarnings(as: .error)])

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let toml = Target.Dependency.product(name: "TOMLKit", package: "TOMLKit")

/// What the programs are made of does without regular expressions, which would make each worker 1 MB larger: without
/// this import, no overload of theirs is chosen unseen.
let lean = settings + [.unsafeFlags(["-Xfrontend", "-disable-implicit-string-processing-module-import"])]

/// One copy of functions that are alike, and no table of symbols for libraries that nobody loads.
let linking: [LinkerSetting] = [
    .unsafeFlags(["-Xlinker", "--icf=safe", "-Xlinker", "--no-export-dynamic"], .when(configuration: .release))
]

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: lean)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: lean, linkerSettings: linking)
}

func tests(_ module: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(module)Tests", dependencies: [.target(name: module)] + dependencies, swiftSettings: settings)
}

let package = Package(
    name: "apus",
    products: [
        .executable(name: "apusd", targets: ["apusd"]),
        .executable(name: "apus-listener", targets: ["apus-listener"]),
        .executable(name: "apus-router", targets: ["apus-router"]),
        .executable(name: "apus-bridge", targets: ["apus-bridge"]),
        .executable(name: "apus-auth", targets: ["apus-auth"]),
        .executable(name: "apusctl", targets: ["apusctl"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        // Protocols: bytes to values and back. Nothing here does I/O.
        module("MQTT"),
        module("WebSocket", ["CSimdJSON", "CMessageDigest"]),
        module("Connection", ["MQTT"]),
        module("Messages"),

        // Mechanism: the event loop, the channels between workers, the memory that outlives a listener.
        module("EventLoop", ["CLinux"]),
        module("Channel", ["CLinux", "EventLoop", "Messages"]),
        module("Arena", ["CArena", "CLinux", "Messages"]),
        module("Systemd", ["CSystemd"]),
        module("Journal", ["CSystemd", "Systemd", logging]),
        module("Configuration", [toml]),
        module("Control"),
        module("Store", ["CSQLite", "EventLoop"]),
        module("Passwords", ["CCrypt", "CMessageDigest"]),

        // Roles: what each process does.
        module(
            "Supervisor",
            [
                "Arena", "Channel", "CLinux", "Configuration", "Control", "EventLoop", "Journal", "Messages", "Systemd",
                logging,
            ]),
        module(
            "Listener",
            [
                "Arena", "Channel", "CLinux", "Connection", "EventLoop", "Journal", "Messages", "MQTT", "WebSocket",
            ]),
        module("Router", ["Channel", "EventLoop", "Journal", "Messages", "MQTT", "Store"]),
        module("Bridge", ["Channel", "CRabbitMQ", "EventLoop", "Journal", "Messages", "MQTT"]),
        module("Auth", ["Channel", "CLinux", "EventLoop", "Journal", "Messages", "Passwords"]),
        module("Operator", ["Configuration", "Control", "MQTT", "Passwords", argumentParser]),

        // Programs: thin mains.
        program("apusd", ["Supervisor", "Configuration", "Journal", "Messages", argumentParser]),
        program("apus-listener", ["Listener"]),
        program("apus-router", ["Router"]),
        program("apus-bridge", ["Bridge"]),
        program("apus-auth", ["Auth"]),
        program("apusctl", ["Operator"]),

        // C: system libraries, and the few lines that Swift can not write.
        .target(name: "CLinux", linkerSettings: [.linkedLibrary("seccomp")]),
        .target(name: "CArena"),
        .target(
            name: "CSimdJSON", cxxSettings: [.unsafeFlags(["-fno-exceptions"])],
            linkerSettings: [.linkedLibrary("simdjson")]),
        .systemLibrary(name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CRabbitMQ", pkgConfig: "librabbitmq", providers: [.apt(["librabbitmq-dev"])]),
        .systemLibrary(name: "CCrypt", pkgConfig: "libcrypt", providers: [.apt(["libcrypt-dev"])]),
        .systemLibrary(name: "CMessageDigest", pkgConfig: "libmd", providers: [.apt(["libmd-dev"])]),

        tests("MQTT"),
        tests("WebSocket"),
        tests("Connection", ["MQTT"]),
        tests("Messages"),
        tests("EventLoop"),
        tests("Channel", ["Messages", "EventLoop"]),
        tests("Arena", ["CArena", "Messages"]),
        tests("Configuration"),
        tests("Systemd"),
        tests("Journal"),
        tests("Control"),
        tests("Store", ["CSQLite"]),
        tests("Operator", ["Control", "MQTT", argumentParser]),
        tests("Supervisor", ["Configuration", "EventLoop", "Messages"]),
        tests("Listener", ["Arena", "Messages", "MQTT"]),
        tests("Bridge", ["Messages", "MQTT"]),
        tests("Passwords"),
        tests("Auth", ["Messages", "Passwords"]),
        tests("Router", ["Channel", "EventLoop", "Messages", "MQTT", "Store"]),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)

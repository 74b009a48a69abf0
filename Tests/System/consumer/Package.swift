// swift-tools-version: 6.2
// A package of somebody who writes a Swift app: test_consumer.py builds it where there is no Python to build with.

import PackageDescription

let package = Package(
    name: "consumer",
    dependencies: [.package(name: "evgateway", path: "../../..")],
    targets: [
        .executableTarget(
            name: "consumer", dependencies: [.product(name: "EvGateway", package: "evgateway")], path: ".",
            sources: ["main.swift"])
    ]
)

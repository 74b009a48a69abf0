// The version of evgateway, in one place.

/// The version of this build, as `--version` prints it.
package enum GatewayVersion {
    package static let string = "0.1.0"
}

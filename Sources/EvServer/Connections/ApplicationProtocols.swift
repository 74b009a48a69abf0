// What may be spoken inside of TLS, by its name in ALPN (RFC 7301), and the stage that speaks it. A protocol more is a
// line more here: it is offered, and chosen, by that.

import EvLoop

enum ApplicationProtocols {
    /// Of clients that have not said what they speak, too.
    static let http1: Worker.Stage = { HTTP1Connection($0, $1, $2, $3) }

    /// In the order of preference.
    private static let all: [(name: String, stage: Worker.Stage)] = [("http/1.1", http1)]

    static var names: [String] { all.map(\.name) }

    /// - Parameter name: nil for a client that has not said what it speaks.
    static func stage(named name: String?) -> Worker.Stage {
        all.first { $0.name == name }?.stage ?? http1
    }
}

extension TLSMaterial {
    /// The protocols that are offered, in the order of preference.
    package static var offeredProtocols: [String] { ApplicationProtocols.names }
}

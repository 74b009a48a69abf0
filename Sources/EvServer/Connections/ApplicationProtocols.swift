// What may be spoken inside of TLS, by its name in ALPN (RFC 7301), and the stage that speaks it. A protocol more is a
// line more here, and a word of `--http-protocols`.

import EvLoop

enum ApplicationProtocols {
    /// Of clients that have not said what they speak, too.
    static let http1: Worker.Stage = { HTTP1Connection($0, $1, $2, $3) }

    private static let all: [(name: String, stage: Worker.Stage)] = [
        ("h2", { HTTP2Connection($0, $1, $2, $3) }), ("http/1.1", http1),
    ]

    /// - Parameter name: nil for a client that has not said what it speaks.
    static func stage(named name: String?) -> Worker.Stage {
        all.first { $0.name == name }?.stage ?? http1
    }
}

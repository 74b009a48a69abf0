// The rows of HTTP/2: who may speak it without TLS, and what a connection may ask for.

extension Setting {
    static let http2Rows = [
        Setting(
            "http2_cleartext", "--http2-cleartext", .http2, .cleartext, value: "[mode]",
            "HTTP/2 without TLS: off, or prior-knowledge for trusted proxies that begin a connection with it.",
            details: "Without a value: prior-knowledge. Who is trusted, forwarded_allow_ips says. A request with "
                + "Upgrade: h2c is answered in HTTP/1.1, so upgrade and both are refused."),
        Setting(
            "http2_max_concurrent_streams", "--http2-max-concurrent-streams", .http2,
            .wholeNumber(\.http2MaxConcurrentStreams, 1...10_000), value: "int",
            "Requests at once on a connection of HTTP/2; one more is refused, and may be sent again."),
        Setting(
            "http2_initial_window_size", "--http2-initial-window-size", .http2,
            .wholeNumber(\.http2InitialWindowSize, 1...2_147_483_647), value: "int",
            "Bytes of a request's body that a client may send before the app has taken some."),
        Setting(
            "http2_connection_window_size", "--http2-connection-window-size", .http2,
            .wholeNumber(\.http2ConnectionWindowSize, 65_535...2_147_483_647), value: "int",
            "The same for all bodies of a connection together, which bounds the memory that they take."),
        Setting(
            "http2_max_frame_size", "--http2-max-frame-size", .http2,
            .wholeNumber(\.http2MaxFrameSize, 16_384...16_777_215), value: "int",
            "Bytes of a frame that a client may send; one that is not DATA is kept in memory until it is whole."),
        Setting(
            "http2_max_header_list_size", "--http2-max-header-list-size", .http2,
            .wholeNumber(\.http2MaxHeaderListSize, 1024...16_777_216), value: "int",
            "Bytes of all fields of a request, and 32 for each; more is answered with 431.",
            details: "limit_request_line, limit_request_fields and limit_request_field_size hold besides."),
    ]
}

/// `--http2-cleartext`.
package enum CleartextChoice: String, CaseIterable, Sendable {
    case off
    case priorKnowledge = "prior-knowledge"
}

extension Kind {
    fileprivate static var cleartext: Kind {
        choice(\.http2Cleartext, alone: Alone(value: CleartextChoice.priorKnowledge.rawValue, otherWords: []))
    }
}

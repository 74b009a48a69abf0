// The rows about ids, by which what logs say of one request is found.

extension Setting {
    static let tracingRows = [
        Setting(
            "request_id", "--request-id", off: "--no-request-id", .tracing, .toggle(\.requestID),
            "Each request has an id and a trace (X-Request-ID, traceparent) for app and logs.",
            details: "The response has the id, too. Those of a proxy that is believed (--forwarded-allow-ips) are "
                + "passed on, all others are replaced. Off unless --request-id-header is given."),
        Setting(
            "request_id_header", "--request-id-header", .tracing, .requestIDHeader, value: "name",
            "The field of the id, in place of X-Request-ID. Implies --request-id."),
        Setting(
            "new_traces", "--new-traces", .tracing, .choice(\.newTraces), value: "name",
            "The traceparent of a request that came without: sampled, unsampled, or none, which makes none.",
            details: "With --request-id. An app whose sampler follows its parent, as usual with OpenTelemetry, records "
                + "those that are sampled and no others; with none it begins the trace itself."),
    ]
}

extension Kind {
    /// The name of a field that the server may write into requests and responses.
    static let requestIDHeader = Kind(
        .value, reset: { $0.requestIDHeader = nil },
        show: { $0.requestIDHeader.map { .text($0) } ?? .none }
    ) { configuration, value throws(ValueError) in
        let name = try ValueReader.nonEmpty(value)
        let isName = name.utf8.count <= 64 && name.utf8.allSatisfy { isTokenByte($0) && $0 != UInt8(ascii: "_") }
        guard isName else { throw ValueError("'\(name)' is no name of a field, such as X-Correlation-ID") }
        let folded = name.lowercased()
        guard !takenNames.contains(folded), !takenBeginnings.contains(where: folded.hasPrefix) else {
            throw ValueError("'\(name)' is the name of a field with another meaning")
        }
        configuration.requestIDHeader = name
    }

    private static let takenBeginnings = ["accept", "content-", "if-", "proxy-", "sec-"]
    private static let takenNames: Swift.Set<String> = [
        "age", "allow", "authorization", "cache-control", "connection", "cookie", "date", "etag", "expect", "expires",
        "forwarded", "from", "host", "keep-alive", "last-modified", "link", "location", "origin", "range", "referer",
        "retry-after", "server", "set-cookie", "te", "traceparent", "tracestate", "trailer", "transfer-encoding",
        "upgrade", "user-agent", "vary", "via", "www-authenticate",
    ]
}

internal import CHTTP

/// How much of a message is read before it is refused. All figures but ``fieldCount`` are bytes.
package struct HTTPLimits: Sendable, Equatable {
    /// The request line without its CRLF; 0: as large as ``headSize`` allows. More is a 414.
    package var requestLine: Int
    /// Field lines of a head, and again of a trailer section. More is a 431.
    package var fieldCount: Int
    /// One field line without its CRLF; 0: as large as ``headSize`` allows. More is a 431.
    package var fieldSize: Int
    /// The whole head, request line to final CRLF, and again a trailer section. More is a 431.
    package var headSize: Int
    /// One chunk-size line with its extensions, without its CRLF. More is a 400.
    package var chunkLine: Int
    /// All chunk extensions of one message. More is a 400.
    package var chunkExtensions: Int

    package init(
        requestLine: Int = 4094, fieldCount: Int = 100, fieldSize: Int = 8190, headSize: Int = 65536,
        chunkLine: Int = 4096, chunkExtensions: Int = 16384
    ) {
        self.requestLine = requestLine
        self.fieldCount = fieldCount
        self.fieldSize = fieldSize
        self.headSize = headSize
        self.chunkLine = chunkLine
        self.chunkExtensions = chunkExtensions
    }

    /// For the scanner, whose offsets have 32 bits: a limit above 1 GiB is 1 GiB.
    var scannerLimits: evg_limits {
        func clamp(_ value: Int) -> UInt32 { UInt32(min(max(value, 0), 1 << 30)) }
        return evg_limits(
            request_line: clamp(requestLine), field_size: clamp(fieldSize), field_count: clamp(fieldCount),
            head_size: clamp(headSize), chunk_line: clamp(chunkLine), chunk_extensions: clamp(chunkExtensions))
    }
}

import HTTP1

extension ServerConfiguration {
    /// Sets the limits on a head that operators may choose, in bytes and fields; see `HTTPLimits`.
    package mutating func limitHead(requestLine: Int, fieldCount: Int, fieldSize: Int) {
        limits.requestLine = requestLine
        limits.fieldCount = fieldCount
        limits.fieldSize = fieldSize
    }
}

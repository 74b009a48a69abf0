// One finished request as the access log sees it, and its rendering.
// Bytes from the wire are borrowed for the call and always escaped; numbers saturate, they never trap.

import EvLoop

/// The facts of one request. Buffers are read during `append` only.
package struct AccessLogRecord {
    /// Empty for a peer without an address (a Unix socket).
    package var remoteAddress = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Seconds since the epoch at which the request was finished.
    package var time: Int = 0
    /// Only where the line shows them.
    package var nanoseconds: Int = 0
    /// Method, target and version as received, without CRLF.
    package var requestLine = UnsafeRawBufferPointer(start: nil, count: 0)
    package var method = UnsafeRawBufferPointer(start: nil, count: 0)
    package var path = UnsafeRawBufferPointer(start: nil, count: 0)
    package var query = UnsafeRawBufferPointer(start: nil, count: 0)
    /// `HTTP/1.1`
    package var version: StaticString = "HTTP/1.1"
    package var status: Int = 0
    /// Bytes of the body that were sent; nil when no response was.
    package var bodyBytes: UInt64? = nil
    /// Seconds from the first byte of the head to the last byte of the response.
    package var duration: Double = 0
    package var processIdentifier: Int32 = 0
    /// Those that the server has made or believes, where it knows of such; a trace may be empty.
    package var identifiers: (request: UnsafeRawBufferPointer, trace: UnsafeRawBufferPointer)?

    package init() {}
}

/// Looks a header up by its name in lower case and hands its value to `use`; does not call `use` when it is absent.
package typealias AccessLogFieldLookup = (_ name: [UInt8], _ use: (UnsafeRawBufferPointer) -> Void) -> Void

extension AccessLogFormat {
    /// Appends the line and its line feed.
    ///
    /// - Parameters:
    ///   - requestField: looks up a request header.
    ///   - responseField: looks up a response header; finds none when they are not known any more.
    ///   - variable: looks up a variable of the app's environ.
    package func append(
        _ record: AccessLogRecord, to output: inout [UInt8], requestField: AccessLogFieldLookup,
        responseField: AccessLogFieldLookup = { _, _ in }, variable: AccessLogFieldLookup = { _, _ in }
    ) {
        switch form {
        case .atoms: break
        case .json: Self.appendJSON(record, to: &output, requestField: requestField)
        case .logfmt: Self.appendLogfmt(record, to: &output, requestField: requestField)
        }
        for atom in atoms {
            switch atom {
            case .literal(let bytes): output.append(contentsOf: bytes)
            case .remoteAddress: Self.append(escaping: record.remoteAddress, to: &output)
            case .user: Self.append(user: requestField, to: &output)
            case .time:
                output.append(UInt8(ascii: "["))
                LocalTime(secondsSinceEpoch: record.time).appendCommonLog(to: &output)
                output.append(UInt8(ascii: "]"))
            case .requestLine: Self.append(escaping: record.requestLine, to: &output)
            case .method: Self.append(escaping: record.method, to: &output)
            case .path: Self.append(escaping: record.path, to: &output)
            case .query: Self.append(escaping: record.query, to: &output, dash: false)
            case .version: record.version.withUTF8Buffer { output.append(contentsOf: $0) }
            case .status: Self.append(decimal: record.status, to: &output)
            case .bytes: Self.append(decimal: record.bodyBytes ?? 0, to: &output)
            case .bytesOrDash:
                if let bytes = record.bodyBytes {
                    Self.append(decimal: bytes, to: &output)
                } else {
                    output.append(UInt8(ascii: "-"))
                }
            case .seconds: Self.append(decimal: Self.whole(record.duration), to: &output)
            case .milliseconds: Self.append(decimal: Self.whole(record.duration * 1e3), to: &output)
            case .microseconds: Self.append(decimal: Self.whole(record.duration * 1e6), to: &output)
            case .decimalSeconds: Self.append(decimalSeconds: record.duration, to: &output)
            case .process:
                output.append(UInt8(ascii: "<"))
                Self.append(decimal: record.processIdentifier, to: &output)
                output.append(UInt8(ascii: ">"))
            case .dash: output.append(UInt8(ascii: "-"))
            case .requestField(let name): Self.append(field: name, requestField, to: &output)
            case .responseField(let name): Self.append(field: name, responseField, to: &output)
            case .variable(let name): Self.append(field: name, variable, to: &output)
            }
        }
        output.append(UInt8(ascii: "\n"))
    }

    /// Appends bytes of the wire: `"` and `\` get a backslash, what is not printable ASCII becomes `\xHH`.
    package static func append(escaping bytes: UnsafeRawBufferPointer, to output: inout [UInt8], dash: Bool = true) {
        if bytes.isEmpty, dash { output.append(UInt8(ascii: "-")) }
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                output.append(UInt8(ascii: "\\"))
                output.append(byte)
            case 0x20...0x7E:
                output.append(byte)
            default:
                output.append(UInt8(ascii: "\\"))
                output.append(UInt8(ascii: "x"))
                output.append(hexDigit(byte >> 4))
                output.append(hexDigit(byte & 0x0F))
            }
        }
    }

    private static func append(field name: [UInt8], _ lookup: AccessLogFieldLookup, to output: inout [UInt8]) {
        let before = output.count
        lookup(name) { append(escaping: $0, to: &output) }
        if output.count == before { output.append(UInt8(ascii: "-")) }
    }

    private static func append(user lookup: AccessLogFieldLookup, to output: inout [UInt8]) {
        let before = output.count
        lookup(Array("authorization".utf8)) { credentials in
            basicUser(of: credentials)?.withUnsafeBytes { append(escaping: $0, to: &output) }
        }
        if output.count == before { output.append(UInt8(ascii: "-")) }
    }

    static func append(decimal value: some BinaryInteger, to output: inout [UInt8]) {
        var text = String(value)
        text.withUTF8 { output.append(contentsOf: $0) }
    }

    static func append(decimalSeconds duration: Double, to output: inout [UInt8]) {
        let microseconds = whole(duration * 1e6)
        append(decimal: microseconds / 1_000_000, to: &output)
        output.append(UInt8(ascii: "."))
        var divisor: UInt64 = 100_000
        while divisor > 0 {
            output.append(hexDigit(UInt8(truncatingIfNeeded: microseconds / divisor % 10)))
            divisor /= 10
        }
    }

    /// A clock that jumped gives 0 or the largest number, not a trap.
    private static func whole(_ value: Double) -> UInt64 {
        value > 0 && value < 9e18 ? UInt64(value) : value > 0 ? UInt64(Int64.max) : 0
    }

    static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") - 10 + value
    }
}

// The two forms of a line for machines: a JSON object, and logfmt's `key=value` pairs. Law: whatever a client sends,
// the line is one line of valid UTF-8 that a parser reads back to the same fields; no byte of a value ends the value.

import EvLoop

extension AccessLogFormat {
    /// Calls with every field of a line, in its order. A field that the request does not have is handed out as nil.
    private static func forEachField(
        _ record: AccessLogRecord, _ requestField: AccessLogFieldLookup,
        _ use: (_ key: StaticString, _ value: Value?) -> Void
    ) {
        func text(_ key: StaticString, _ bytes: UnsafeRawBufferPointer) {
            use(key, bytes.isEmpty ? nil : .text(bytes))
        }
        func field(_ key: StaticString, _ value: [UInt8]?) {
            guard let value else { return use(key, nil) }
            value.withUnsafeBytes { use(key, .text($0)) }
        }
        use("time", .time(record.time, nanoseconds: record.nanoseconds))
        text("remote_addr", record.remoteAddress)
        text("method", record.method)
        text("path", record.path)
        text("query", record.query)
        record.version.withUTF8Buffer { text("protocol", $0.count > 1 ? UnsafeRawBufferPointer($0) : none) }
        use("status", .number(UInt64(clamping: record.status)))
        use("bytes", .number(record.bodyBytes ?? 0))
        use("duration", .seconds(record.duration))
        field("referer", value(of: refererName, requestField))
        field("user_agent", value(of: userAgentName, requestField))
        field("host", value(of: hostName, requestField))
        use("pid", .number(UInt64(clamping: record.processIdentifier)))
        if let identifiers = record.identifiers {
            text("request_id", identifiers.request)
            text("trace_id", identifiers.trace)
        } else {
            field("request_id", value(of: requestIDName, requestField))
        }
        // Of a head that could not be read there is no more than this.
        if record.method.isEmpty { text("request", record.requestLine) }
    }

    private static func value(of name: [UInt8], _ requestField: AccessLogFieldLookup) -> [UInt8]? {
        var value: [UInt8]?
        requestField(name) { value = Array($0) }
        return value
    }

    private enum Value {
        case text(UnsafeRawBufferPointer)
        case number(UInt64)
        case seconds(Double)
        case time(Int, nanoseconds: Int)
    }

    private static let refererName = Array("referer".utf8)
    private static let userAgentName = Array("user-agent".utf8)
    private static let hostName = Array("host".utf8)
    private static let requestIDName = Array("x-request-id".utf8)
    private static var none: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

    static func appendJSON(
        _ record: AccessLogRecord, to output: inout [UInt8], requestField: AccessLogFieldLookup
    ) {
        var line: [UInt8] = []
        line.reserveCapacity(512)
        forEachField(record, requestField) { key, value in
            line.append(UInt8(ascii: line.isEmpty ? "{" : ","))
            line.append(UInt8(ascii: "\""))
            key.withUTF8Buffer { line.append(contentsOf: $0) }
            line.append(contentsOf: [UInt8(ascii: "\""), UInt8(ascii: ":")])
            switch value {
            case nil: line.append(contentsOf: "null".utf8)
            case .text(let bytes): appendQuoted(bytes, to: &line)
            case .number(let number): append(decimal: number, to: &line)
            case .seconds(let seconds): append(decimalSeconds: seconds, to: &line)
            case .time(let seconds, let nanoseconds):
                line.append(UInt8(ascii: "\""))
                LocalTime(secondsSinceEpoch: seconds).appendRFC3339(milliseconds: nanoseconds / 1_000_000, to: &line)
                line.append(UInt8(ascii: "\""))
            }
        }
        output.append(contentsOf: line)
        output.append(UInt8(ascii: "}"))
    }

    /// Fields that the request does not have are left out.
    static func appendLogfmt(
        _ record: AccessLogRecord, to output: inout [UInt8], requestField: AccessLogFieldLookup
    ) {
        var line: [UInt8] = []
        line.reserveCapacity(512)
        forEachField(record, requestField) { key, value in
            guard let value else { return }
            if !line.isEmpty { line.append(UInt8(ascii: " ")) }
            key.withUTF8Buffer { line.append(contentsOf: $0) }
            line.append(UInt8(ascii: "="))
            switch value {
            case .text(let bytes):
                if isPlain(bytes) { line.append(contentsOf: bytes) } else { appendQuoted(bytes, to: &line) }
            case .number(let number): append(decimal: number, to: &line)
            case .seconds(let seconds): append(decimalSeconds: seconds, to: &line)
            case .time(let seconds, let nanoseconds):
                LocalTime(secondsSinceEpoch: seconds).appendRFC3339(milliseconds: nanoseconds / 1_000_000, to: &line)
            }
        }
        output.append(contentsOf: line)
    }

    /// Whether logfmt needs no quotes: printable ASCII without space, quote, equals sign and backslash.
    private static func isPlain(_ bytes: UnsafeRawBufferPointer) -> Bool {
        !bytes.isEmpty
            && bytes.allSatisfy {
                0x21...0x7E ~= $0 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: "\\")
            }
    }

    /// Appends a JSON string (RFC 8259, section 7). Bytes that are not UTF-8 become U+FFFD; control characters, also
    /// those beyond ASCII and the two separators that end a line for some readers, become `\u` escapes.
    private static func appendQuoted(_ bytes: UnsafeRawBufferPointer, to line: inout [UInt8]) {
        line.append(UInt8(ascii: "\""))
        if bytes.allSatisfy({ 0x20...0x7E ~= $0 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
            line.append(contentsOf: bytes)
        } else {
            for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
                switch scalar.value {
                case 0x22, 0x5C:
                    line.append(UInt8(ascii: "\\"))
                    line.append(UInt8(truncatingIfNeeded: scalar.value))
                case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029, 0xFEFF, 0x202A...0x202E, 0x2066...0x2069:
                    line.append(contentsOf: #"\u"#.utf8)
                    for shift in [12, 8, 4, 0] as [UInt32] {
                        line.append(hexDigit(UInt8(truncatingIfNeeded: scalar.value >> shift & 0xF)))
                    }
                default:
                    line.append(contentsOf: UTF8.encode(scalar).map { Array($0) } ?? [])
                }
            }
        }
        line.append(UInt8(ascii: "\""))
    }
}

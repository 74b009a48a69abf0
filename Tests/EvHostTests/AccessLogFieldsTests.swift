import EvServer
import EvSettings
import Testing

/// The forms for machines: whatever a client sends, each line is one line that reads back to the same fields.
@Suite struct AccessLogFieldsTests {
    private func render(
        _ form: String, path: [UInt8], field: [UInt8], line: [UInt8] = Array("?".utf8), isRefused: Bool = false
    ) throws -> [UInt8] {
        let format = try AccessLogFormat(parsing: form)
        var output: [UInt8] = []
        path.withUnsafeBytes { path in
            line.withUnsafeBytes { line in
                var record = AccessLogRecord()
                record.requestLine = line
                (record.time, record.nanoseconds) = (1_000_000_000, 7_654_321)
                (record.status, record.bodyBytes, record.duration) = (200, 13, 1.5)
                record.processIdentifier = 4711
                if isRefused {
                    record.version = "-"
                } else {
                    (record.method, record.path) = (line, path)
                }
                format.append(record, to: &output) { name, use in
                    if name == Array("user-agent".utf8) { field.withUnsafeBytes(use) }
                }
            }
        }
        return output
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func fieldsOfJSON() throws {
        let line = text(try render("json", path: Array("/a".utf8), field: Array("me".utf8), line: Array("GET".utf8)))
        let time = try #require(line.firstMatch(of: /"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:40\.007[+-]\d\d:\d\d)"/))
        #expect(
            line == """
                {"time":"\(time.1)","remote_addr":null,"method":"GET","path":"/a","query":null,\
                "protocol":"HTTP/1.1","status":200,"bytes":13,"duration":1.500000,"referer":null,\
                "user_agent":"me","host":null,"pid":4711,"request_id":null}\n
                """)
    }

    @Test func fieldsOfLogfmt() throws {
        let line = text(try render("logfmt", path: Array("/a".utf8), field: Array("m e".utf8), line: Array("GET".utf8)))
        let middle = " method=GET path=/a protocol=HTTP/1.1 status=200 bytes=13 duration=1.500000 "
        #expect(line.hasSuffix(middle + #"user_agent="m e" pid=4711"# + "\n"))
    }

    @Test func headThatWasNotReadHasItsLine() throws {
        let line = text(try render("json", path: [], field: [], line: Array("GET \"".utf8), isRefused: true))
        #expect(line.contains(#""method":null,"path":null,"#))
        #expect(line.hasSuffix(#","request":"GET \""}"# + "\n"))
        #expect(line.contains(#""protocol":null"#))
    }

    /// Any bytes: a strict reader finds what was sent, with U+FFFD where that was no UTF-8.
    @Test(arguments: 0..<2000) func anyBytesReadBack(_ seed: Int) throws {
        var random = SplitMix(UInt64(seed))
        let pool: [UInt8] = [
            0x22, 0x5C, 0x0A, 0x0D, 0x00, 0x1B, 0x7F, 0x3D, 0x20, 0x2C, 0x7D, 0x80, 0xE2, 0xA8, 0xC2, 0x85,
        ]
        func bytes() -> [UInt8] {
            (0..<random.next(40)).map { _ in
                random.next(2) == 0 ? pool[random.next(pool.count)] : UInt8(random.next(256))
            }
        }
        let (path, field) = (bytes(), bytes())
        let json = try render("json", path: path, field: field)
        #expect(text(json).utf8.elementsEqual(json), "it is UTF-8")
        #expect(json.last == 0x0A)
        #expect(json.dropLast().allSatisfy { $0 >= 0x20 })
        var reader = Reader(text(json))
        let fields = try reader.object()
        #expect(fields.count == 14)
        let (shownPath, shownField): (String?, String?) = (fields["path"] ?? "?", fields["user_agent"] ?? "?")
        let expectedPath: String? = path.isEmpty ? nil : text(path)
        #expect(shownPath == expectedPath)
        #expect(shownField == text(field))

        let logfmt = try render("logfmt", path: path, field: field)
        #expect(logfmt.last == 0x0A)
        #expect(logfmt.dropLast().allSatisfy { $0 >= 0x20 })
        #expect(text(logfmt).utf8.elementsEqual(logfmt), "it is UTF-8")
        reader = Reader(text(logfmt))
        let pairs = try reader.pairs()
        #expect(pairs["path"] == expectedPath)
        #expect(pairs["user_agent"] == text(field))
        #expect(pairs["status"] == "200")
    }
}

private struct SplitMix {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 }

    mutating func next(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((value ^ (value >> 31)) % UInt64(bound))
    }
}

/// Reads flat JSON objects (RFC 8259) and logfmt, and throws where they are wrong.
private struct Reader {
    struct Wrong: Error { let at: Int }
    private let scalars: [Unicode.Scalar]
    private var at = 0

    init(_ text: String) { scalars = Array(text.unicodeScalars) }

    private mutating func take(_ expected: Unicode.Scalar) throws {
        guard at < scalars.count, scalars[at] == expected else { throw Wrong(at: at) }
        at += 1
    }

    private mutating func string() throws -> String {
        try take("\"")
        var text = String.UnicodeScalarView()
        while at < scalars.count {
            let scalar = scalars[at]
            at += 1
            if scalar == "\"" { return String(text) }
            guard scalar.value >= 0x20 else { throw Wrong(at: at) }
            guard scalar == "\\" else {
                text.append(scalar)
                continue
            }
            guard at < scalars.count else { break }
            at += 1
            switch scalars[at - 1] {
            case "\"": text.append("\"")
            case "\\": text.append("\\")
            case "u":
                guard at + 4 <= scalars.count,
                    let value = UInt32(String(String.UnicodeScalarView(scalars[at..<at + 4])), radix: 16),
                    let made = Unicode.Scalar(value)
                else { throw Wrong(at: at) }
                text.append(made)
                at += 4
            default: throw Wrong(at: at)
            }
        }
        throw Wrong(at: at)
    }

    private mutating func word(until ends: [Unicode.Scalar]) -> String {
        var text = String.UnicodeScalarView()
        while at < scalars.count, !ends.contains(scalars[at]) {
            text.append(scalars[at])
            at += 1
        }
        return String(text)
    }

    mutating func object() throws -> [String: String?] {
        var fields: [String: String?] = [:]
        try take("{")
        while true {
            let key = try string()
            try take(":")
            if scalars[at] == "\"" {
                fields.updateValue(try string(), forKey: key)
            } else {
                let word = word(until: [",", "}"])
                guard word == "null" || Double(word) != nil else { throw Wrong(at: at) }
                fields.updateValue(word == "null" ? nil : word, forKey: key)
            }
            if at < scalars.count, scalars[at] == "}" { break }
            try take(",")
        }
        try take("}")
        try take("\n")
        guard at == scalars.count else { throw Wrong(at: at) }
        return fields
    }

    mutating func pairs() throws -> [String: String] {
        var fields: [String: String] = [:]
        while true {
            let key = word(until: ["=", " ", "\""])
            try take("=")
            guard fields[key] == nil else { throw Wrong(at: at) }
            fields[key] = scalars[at] == "\"" ? try string() : word(until: [" ", "\n", "\"", "="])
            if scalars[at] == "\n", at + 1 == scalars.count { return fields }
            try take(" ")
        }
    }
}

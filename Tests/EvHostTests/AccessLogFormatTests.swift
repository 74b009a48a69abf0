import EvServer
import EvSettings
import Glibc
import Testing

@Suite struct AccessLogFormatTests {
    private func render(
        _ format: String, _ change: (inout AccessLogRecord) -> Void = { _ in }, request: [String: String] = [:],
        response: [String: String] = [:]
    ) throws -> String {
        func lookup(_ fields: [String: String]) -> AccessLogFieldLookup {
            { name, use in
                guard let value = fields[String(decoding: name, as: UTF8.self)] else { return }
                Array(value.utf8).withUnsafeBytes(use)
            }
        }
        let format = try AccessLogFormat(parsing: format)
        let line = Array("GET /a?b=c HTTP/1.1 10.0.0.1".utf8)
        var output: [UInt8] = []
        line.withUnsafeBytes { bytes in
            var record = AccessLogRecord()
            record.remoteAddress = UnsafeRawBufferPointer(rebasing: bytes[20...])
            record.time = 1_000_000_000
            record.requestLine = UnsafeRawBufferPointer(rebasing: bytes[..<19])
            record.method = UnsafeRawBufferPointer(rebasing: bytes[0..<3])
            record.path = UnsafeRawBufferPointer(rebasing: bytes[4..<6])
            record.query = UnsafeRawBufferPointer(rebasing: bytes[7..<10])
            record.status = 200
            record.bodyBytes = 13
            record.duration = 1.234567
            record.processIdentifier = 4711
            change(&record)
            format.append(record, to: &output, requestField: lookup(request), responseField: lookup(response))
        }
        return String(decoding: output, as: UTF8.self)
    }

    @Test(arguments: [
        ("%(h)s %(l)s %(u)s", "10.0.0.1 - -"), ("%(r)s", "GET /a?b=c HTTP/1.1"), ("%(m)s %(U)s %(q)s", "GET /a b=c"),
        ("%(H)s", "HTTP/1.1"), ("%(s)s %(B)s %(b)s", "200 13 13"), ("%(T)s %(M)s %(D)s", "1 1234 1234567"),
        ("%(L)s", "1.234567"), ("%(p)s", "<4711>"), ("100%% [x]", "100% [x]"), ("%(zz)s|%({x}e)s|%({x}i)s", "-|-|-"),
        ("%(f)s %(a)s", "from agent"), ("%({X-Thing}i)s %({Content-Type}o)s", "thing text/plain"), ("", ""),
    ])
    func atomIsRendered(_ format: String, _ expected: String) throws {
        let line = try render(
            format, request: ["referer": "from", "user-agent": "agent", "x-thing": "thing"],
            response: ["content-type": "text/plain"])
        #expect(line == expected + "\n")
    }

    @Test(arguments: [
        ("Basic YWxpY2U6c2VjcmV0", "alice"), ("basic   YWxpY2U6", "alice"), ("Basic YWxpY2U=", "alice"),
        ("Basic YSJiOnA=", #"a\"b"#), ("Basic OnA=", "-"), ("Basic !", "-"), ("Basic", "-"), ("Bearer YWxpY2U6", "-"),
        ("Basic 4pyTOg", #"\xe2\x9c\x93"#), ("", "-"),
    ])
    func userOfBasicCredentialsIsShown(_ field: String, _ expected: String) throws {
        #expect(try render("%(u)s", request: ["authorization": field]) == expected + "\n")
    }

    @Test func timeIsLocalTimeInCommonLogForm() throws {
        let line = try render("%(t)s")
        #expect(line.wholeMatch(of: /\[\d\d\/Sep\/2001:\d\d:\d\d:40 [+-]\d{4}\]\n/) != nil, "\(line)")
    }

    @Test func defaultFormatIsCombined() throws {
        let line = try render(GatewayConfiguration().accessLogFormat, request: ["user-agent": "curl/8"])
        #expect(line.hasPrefix("10.0.0.1 - - ["))
        #expect(line.hasSuffix(#"] "GET /a?b=c HTTP/1.1" 200 13 "-" "curl/8""# + "\n"))
    }

    @Test func bytesOfTheClientCannotBreakTheLine() throws {
        let line = try render("\"%(a)s\"", request: ["user-agent": "a\"b\\c\r\nGET\u{7F}é"])
        #expect(line == #""a\"b\\c\x0d\x0aGET\x7f\xc3\xa9""# + "\n")
    }

    @Test func absentFactsAreDashes() throws {
        let line = try render("%(h)s %(b)s %(B)s \"%(r)s\" %(q)s.") { record in
            record = AccessLogRecord()
        }
        #expect(line == "- - 0 \"-\" .\n")
    }

    @Test(arguments: [-1.0, .nan, .infinity, 1e300])
    func clockThatJumpedDoesNotTrap(_ duration: Double) throws {
        let line = try render("%(T)s %(M)s %(D)s %(L)s") { $0.duration = duration }
        #expect(line.hasSuffix("\n"))
    }

    @Test(arguments: ["%", "%h", "%(h", "%(h)", "%(h)d", "a\nb", "%%%"])
    func formatThatCannotBeReadIsRefused(_ format: String) {
        #expect(throws: AccessLogFormatError.self) { try AccessLogFormat(parsing: format) }
    }
}

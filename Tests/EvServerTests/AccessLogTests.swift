import EvGateway
import EvLoop
import EvServer
import EvTestSupport
import Glibc
import HTTPTypes
import Logging
import Testing

/// The lines of requests in the access log.
@Suite struct AccessLogTests {
    @Test(arguments: [
        ("/", "content-type", "text/plain; charset=utf-8"), ("/", "x-made", "yes"), ("/", "content-length", "5"),
        ("/", "x-mad", "-"), ("/", "x-none", "-"), ("/", "server", "evgateway"),
        ("/stream", "transfer-encoding", "chunked"),
        ("/fail", "content-type", "text/plain; charset=utf-8"), ("/fail", "x-made", "-"),
    ])
    func showsFieldsOfTheResponse(_ path: String, _ name: String, _ expected: String) async throws {
        let log = try TemporaryLog()
        let server = try await TestServer(
            { _ in },
            application: SwiftApplication { request in
                var response = Response("12345")
                if request.path == "/fail" { throw SystemError("app", errno: EIO) }
                if request.path == "/stream" { response = Response { try await $0.write("part") } }
                response.headerFields.append(HTTPField(name: try #require(HTTPField.Name("X-Made")), value: "yes"))
                return response
            },
            accessLog: (log.path, "%(m)s %({\(name)}o)s"))
        let client = await server.connect()
        client.send("GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n")
        _ = client.receive(until: path == "/stream" ? "0\r\n\r\n" : path == "/fail" ? "Error\n" : "12345")
        await server.quit()
        #expect(server.finished.wait())
        #expect(log.text == "GET \(expected)\n")
    }

    @Test func showsTheHostThatAProxyTells() async throws {
        let log = try TemporaryLog()
        let server = try await TestServer(
            { $0.forwarding.fields = .host }, application: SwiftApplication { _ in Response("12345") },
            accessLog: (log.path, "%({host}i)s %({HTTP_HOST}e)s"))
        let client = await server.connect()
        client.send("GET / HTTP/1.1\r\nHost: test\r\nX-Forwarded-Host: told.example\r\n\r\n")
        _ = client.receive(until: "12345")
        await server.quit()
        #expect(server.finished.wait())
        #expect(log.text == "told.example told.example\n")
    }

    /// The line of a refused head has the peer's address, the first line of the head, and the answer.
    @Test(arguments: [
        ("\u{16}\u{02}\r\n", #"\x16\x02"#, 400), ("GET /a?b HTTP/1.1\nHost: t\r\n\r\n", "GET /a?b HTTP/1.1", 400),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost : t\r\n\r\n", "GET / HTTP/1.1", 400),
        ("GET /\(String(repeating: "x", count: 9000))", "GET /\(String(repeating: "x", count: 1019))", 414),
        ("GET / HTTP/1.1\r\nX: \(String(repeating: "x", count: 9000))", "GET / HTTP/1.1", 431),
        ("GET / HTTP/2.0\r\n\r\n", "GET / HTTP/2.0", 505), ("GET \"/ HTTP", #"GET \"/ HTTP"#, 408),
        ("GET /slow HTTP/1.1\r\nHost", "GET /slow HTTP/1.1", 408), ("GET /slo", "GET /slo", 408),
    ])
    func showsHeadsThatAreRefused(_ request: String, _ line: String, _ status: Int) async throws {
        let log = try TemporaryLog()
        let server = try await TestServer(
            { $0.headTimeout = 0.2 }, application: SwiftApplication { _ in Response("12345") },
            accessLog: (log.path, "%(m)s %(U)s %(q)s %(H)s \"%(r)s\" %(s)s %(B)s %({content-type}o)s %(a)s"))
        let client = await server.connect(sending: request)
        let answer = client.receiveToEnd()
        let body = try #require(answer.split(separator: "\r\n\r\n").last)
        await server.quit()
        #expect(server.finished.wait())
        #expect(log.text == "- -  - \"\(line)\" \(status) \(body.utf8.count) text/plain; charset=utf-8 -\n")
    }

    @Test(arguments: ["", "\r\n"]) func saysNothingOfAConnectionThatSaidNothing(_ bytes: String) async throws {
        let log = try TemporaryLog()
        let server = try await TestServer(
            { $0.headTimeout = 0.2 }, application: SwiftApplication { _ in Response("12345") },
            accessLog: (log.path, "%(s)s"))
        let client = await server.connect(sending: bytes)
        #expect(client.receiveToEnd().isEmpty)
        await server.quit()
        #expect(server.finished.wait() && log.text.isEmpty)
    }
}

/// A file that is removed when its test ends.
final class TemporaryLog {
    let path: String
    private let descriptor: Int32

    init() throws {
        var template = Array("/tmp/evgateway-access-XXXXXX".utf8CString)
        descriptor = mkstemp(&template)
        try #require(descriptor >= 0)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        close(descriptor)
        unlink(path)
    }

    var text: String {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    }
}

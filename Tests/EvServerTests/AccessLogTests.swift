import EvLoop
import EvServer
import EvTestSupport
import Glibc
import HTTPTypes
import Logging
import Testing

/// What a request leaves in the access log.
@Suite struct AccessLogTests {
    @Test(arguments: [
        ("/", "content-type", "text/plain; charset=utf-8"), ("/", "x-made", "yes"), ("/", "content-length", "5"),
        ("/", "x-mad", "-"), ("/", "x-none", "-"), ("/", "server", "evgateway"),
        ("/stream", "transfer-encoding", "chunked"),
        ("/fail", "content-type", "text/plain; charset=utf-8"), ("/fail", "x-made", "-"),
    ])
    func showsFieldsOfTheResponse(_ path: String, _ name: String, _ expected: String) async throws {
        var template = Array("/tmp/evgateway-access-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        defer { close(descriptor) }
        let file = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { unlink(file) }
        let server = try await TestServer(
            { _ in },
            application: SwiftApplication { request in
                var response = Response("12345")
                if request.path == "/fail" { throw SystemError("app", errno: EIO) }
                if request.path == "/stream" { response = Response { try await $0.write("part") } }
                response.headerFields.append(HTTPField(name: try #require(HTTPField.Name("X-Made")), value: "yes"))
                return response
            },
            accessLog: (file, "%(m)s %({\(name)}o)s"))
        let client = await server.connect()
        client.send("GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n")
        _ = client.receive(until: path == "/stream" ? "0\r\n\r\n" : path == "/fail" ? "Error\n" : "12345")
        await server.quit()
        #expect(server.finished.wait())
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        #expect(String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self) == "GET \(expected)\n")
    }
}

import EvGateway
@testable import EvServer
import EvTestSupport
import Glibc
import HTTPTypes
import Testing

/// What a Swift app, the client and the access log are told. The peers of these tests are those of unix sockets.
@Suite struct TracedRequestTests {
    private static let app: RequestHandler = { request in
        let name = HTTPField.Name("X-Request-ID")
        var response = Response("[\(name.flatMap { request[$0] } ?? "")]")
        if request.path == "/own", let name { response.headerFields[name] = "own" }
        if request.path == "/stream" { response = Response { try await $0.write("part") } }
        if request.path == "/throw" { throw CancellationError() }
        return response
    }

    private func answer(_ request: String, _ format: String) async throws -> (answer: String, line: String) {
        let log = try TemporaryLog()
        let server = try await TestServer(
            {
                $0.tracing = TracingConfiguration()
                $0.healthPaths = ["/health"]
                $0.headTimeout = 0.2
            }, application: SwiftApplication(Self.app), accessLog: (log.path, format))
        let client = await server.connect(sending: request)
        let answer = client.receiveToEnd()
        await server.quit()
        #expect(server.finished.wait())
        return (answer, log.text)
    }

    private func ids(in answer: String) -> [String] {
        answer.split(separator: "\r\n").filter { $0.hasPrefix("X-Request-ID: ") }.map { String($0.dropFirst(14)) }
    }

    @Test(arguments: ["/", "/stream", "/throw", "/health"]) func clientAppAndLogSeeTheSame(_ path: String) async throws
    {
        let format = "%({x-request-id}i)s %({X-Request-ID}o)s"
        let end = "Host: t\r\nConnection: close\r\n\r\n"
        let (answer, line) = try await answer("GET \(path) HTTP/1.1\r\nX-Request-ID: a.1\r\n\(end)", format)
        #expect(ids(in: answer) == ["a.1"] && line == "a.1 a.1\n")
        #expect(path != "/" || answer.hasSuffix("[a.1]"))
        let (made, said) = try await self.answer("GET \(path) HTTP/1.1\r\n\(end)", format)
        let id = try #require(ids(in: made).first)
        #expect(id.count == 32 && said == "\(id) \(id)\n")
        #expect(path != "/" || made.hasSuffix("[\(id)]"))
    }

    @Test func idOfTheAppStays() async throws {
        let (answer, line) = try await answer(
            "GET /own HTTP/1.1\r\nHost: t\r\nX-Request-ID: a\r\nConnection: close\r\n\r\n",
            "%({x-request-id}i)s %({x-request-id}o)s")
        #expect(ids(in: answer) == ["own"] && answer.hasSuffix("[a]") && line == "a own\n")
    }

    @Test(arguments: ["GET / HTTP/1.1\r\nX-Request-ID: evil\r\nHost : t\r\n\r\n", "\u{16}\u{2}\r\n", "GET / HTT"])
    func headThatIsNotReadGetsOne(_ request: String) async throws {
        let (answer, line) = try await answer(request, "%({x-request-id}i)s %({x-request-id}o)s")
        let id = try #require(ids(in: answer).first)
        #expect(ids(in: answer).count == 1 && id.count == 32 && line == "\(id) \(id)\n")
    }

    @Test func fieldsForMachines() async throws {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        let head = "GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nX-Request-ID: a\r\n"
        let (_, line) = try await answer("\(head)traceparent: \(parent)\r\n\r\n", "json")
        #expect(line.hasSuffix(#","request_id":"a","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}"# + "\n"))
        let (answer, refused) = try await answer("bad\r\n\r\n", "json")
        let id = try #require(ids(in: answer).first)
        #expect(refused.hasSuffix(#","request_id":"\#(id)","trace_id":null,"request":"bad"}"# + "\n"))
    }
}

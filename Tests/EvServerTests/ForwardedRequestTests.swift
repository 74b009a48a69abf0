import EvGateway
import EvServer
import HTTPTypes
import Testing

/// What a Swift app sees of a client behind a proxy. The peers of these tests are those of unix sockets.
@Suite struct ForwardedRequestTests {
    private func answer(_ lines: String, _ configure: (inout ForwardingConfiguration) -> Void) async throws -> String {
        var forwarding = ForwardingConfiguration()
        forwarding.fields = .client
        forwarding.secureSchemes = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Ssl", "on")]
        configure(&forwarding)
        let server = try await TestServer({ $0.forwarding = forwarding }) { request in
            Response(
                "\(request.scheme) \(request.authority) \(request.clientAddress) \(request.remoteAddress)"
                    + " \(request.pathPrefix) \(HTTPField.Name("X_Y").flatMap { request[$0] } ?? "")")
        }
        let client = await server.connect()
        client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\(lines)\r\n\r\n")
        return client.receiveToEnd()
    }

    @Test func knowsTheClientAndItsScheme() async throws {
        let answer = try await answer("X-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\nX_Y: z") { _ in }
        #expect(answer.hasSuffix("\r\n\r\nhttps test 203.0.113.9   z"))
    }

    @Test func takesTheConnectionsOwnWhereNothingIsTold() async throws {
        #expect(try await answer("Via: x") { _ in }.hasSuffix("\r\n\r\nhttp test    "))
    }

    @Test func takesOverWhatTheSettingsName() async throws {
        let lines = "X-Forwarded-Host: a.example\r\nX-Forwarded-Prefix: /p/\r\nX-Forwarded-For: unknown"
        let answer = try await answer(lines) { $0.fields = [.client, .host, .prefix] }
        #expect(answer.hasSuffix("\r\n\r\nhttp a.example   /p "))
    }

    @Test func answersAContradictionAndClosesTheConnection() async throws {
        let lines = "X-Forwarded-Proto: http\r\nX-Forwarded-Ssl: on"
        let answer = try await answer(lines) { _ in }
        #expect(answer.hasPrefix("HTTP/1.1 400 Bad Request\r\n") && answer.contains("\r\nConnection: close\r\n"))
    }
}

// Connections on which a web server speaks uwsgi, SCGI or FastCGI: what an app sees, and how they end.

import EvGateway
import EvLoop
@testable import EvServer
import EvTestSupport
import Testing

private let least = [("REQUEST_METHOD", "GET"), ("PATH_INFO", "/a"), ("HTTP_HOST", "h"), ("REMOTE_ADDR", "192.0.2.7")]

private func text(_ value: String) -> [UInt8] { Array(value.utf8) }

private func record(_ kind: UInt8, _ content: [UInt8] = [], id: UInt8 = 1) -> [UInt8] {
    [1, kind, 0, id, UInt8(content.count >> 8), UInt8(content.count & 255), 0, 0] + content
}

private func message(_ spoken: GatewayProtocol, _ pairs: [(String, String)], body: String? = nil) -> [UInt8] {
    let length = ("CONTENT_LENGTH", "\(body?.utf8.count ?? 0)")
    var block: [UInt8] = []
    switch spoken {
    case .uwsgi:
        for (name, value) in (body == nil ? [] : [length]) + pairs {
            for word in [name, value] { block += [UInt8(word.utf8.count), 0] + text(word) }
        }
        return [0, UInt8(block.count & 255), UInt8(block.count >> 8), 0] + block + text(body ?? "")
    case .scgi:
        for (name, value) in [length] + pairs + [("SCGI", "1")] { block += text(name) + [0] + text(value) + [0] }
        return text("\(block.count):") + block + text("," + (body ?? ""))
    case .fastcgi:
        for (name, value) in pairs {
            block += [UInt8(name.utf8.count), UInt8(value.utf8.count)] + text(name) + text(value)
        }
        let content = body.map { record(5, text($0)) } ?? []
        return record(1, [0, 1, 1, 0, 0, 0, 0, 0]) + record(4, block) + record(4) + content + record(5)
    }
}

@Suite struct GatewayConnectionTests {
    private func server(
        _ configure: (inout ServerConfiguration) -> Void = { _ in }, _ handler: @escaping RequestHandler
    ) async throws -> TestServer {
        try await TestServer(configure, handler)
    }

    private func connect(
        _ server: TestServer, _ spoken: GatewayProtocol, peer: String = "", sending bytes: [UInt8] = []
    ) async -> Client {
        await server.connect(sending: bytes) { transport, none, listener, worker in
            GatewayConnection(transport, PeerAddress(parsing: peer) ?? none, listener, worker, spoken)
        }
    }

    @Test(arguments: GatewayProtocol.allCases)
    func anAppSeesTheClientOfTheWebServer(spoken: GatewayProtocol) async throws {
        let server = try await server { request in
            Response("<\(request.remoteAddress) \(request.path) \(try await request.body.collect(upTo: 9).count)>")
        }
        let client = await connect(server, spoken)
        client.send(message(spoken, least, body: "abc"))
        let answer = client.receive(until: ">")
        #expect(answer.contains("<192.0.2.7 /a 3>"))
        #expect(answer.contains(spoken == .uwsgi ? "HTTP/1.1 200 OK\r\n" : "Status: 200 OK\r\n"))
        #expect(!answer.contains("Connection:") && !answer.contains("Transfer-Encoding:"))
    }

    @Test(arguments: GatewayProtocol.allCases)
    func onlyFastCGIGoesOn(spoken: GatewayProtocol) async throws {
        let server = try await server { _ in Response("<>") }
        let client = await connect(server, spoken)
        for _ in 0..<(spoken == .fastcgi ? 3 : 1) {
            client.send(message(spoken, least))
            #expect(client.receive(until: ">").contains("200 OK"))
        }
        if spoken == .fastcgi {
            client.shutdownWriting()
        }
        _ = client.receiveToEnd()
    }

    @Test(arguments: GatewayProtocol.allCases)
    func aStrangerIsForbidden(spoken: GatewayProtocol) async throws {
        let friends = try AddressSet(["10.0.0.0/8"])
        let server = try await server({ $0.gatewaySenders = friends }) { _ in Response("<>") }
        let stranger = await connect(server, spoken, peer: "203.0.113.1")
        stranger.send(message(spoken, least))
        let answer = stranger.receiveToEnd()
        #expect(answer.contains("403 Forbidden") && !answer.contains("<>"))
        let friend = await connect(server, spoken, peer: "10.1.2.3")
        friend.send(message(spoken, least))
        #expect(friend.receive(until: ">").contains("200 OK"))
    }

    @Test(arguments: GatewayProtocol.allCases)
    func anAppIsCancelledWhenTheConnectionEnds(spoken: GatewayProtocol) async throws {
        let (begun, cancelled) = (Signal(), Signal())
        let server = try await server { _ in
            begun.signal()
            try? await Task.sleep(for: .seconds(60))
            if Task.isCancelled { cancelled.signal() }
            return Response("<>")
        }
        let client = await connect(server, spoken)
        client.send(message(spoken, least))
        #expect(begun.wait())
        client.reset()
        #expect(cancelled.wait())
    }

    @Test func anAbortCancelsAndTheConnectionGoesOn() async throws {
        let (begun, cancelled) = (Signal(), Signal())
        let server = try await server { request in
            guard request.path == "/a" else { return Response("<>") }
            begun.signal()
            try? await Task.sleep(for: .seconds(60))
            if Task.isCancelled { cancelled.signal() }
            return Response("late")
        }
        let client = await connect(server, .fastcgi)
        client.send(message(.fastcgi, least))
        #expect(begun.wait())
        client.send(record(2))
        #expect(cancelled.wait())
        client.send(message(.fastcgi, [("REQUEST_METHOD", "GET"), ("PATH_INFO", "/b"), ("HTTP_HOST", "h")]))
        let answer = client.receive(until: ">")
        #expect(answer.contains("200 OK") && !answer.contains("late"))
    }

    @Test(arguments: GatewayProtocol.allCases)
    func variablesHaveTheTimeOfAHead(spoken: GatewayProtocol) async throws {
        let server = try await server({ $0.headTimeout = 0.5 }) { _ in Response("<>") }
        let client = await connect(server, spoken, sending: Array(message(spoken, least).prefix(20)))
        #expect(client.receiveToEnd().contains("408 Request Timeout"))
    }

    /// The time counts from the first byte of each request.
    @Test func soDoThoseOfASecondRequest() async throws {
        let server = try await server({ $0.headTimeout = 0.5 }) { _ in Response("<>") }
        let client = await connect(server, .fastcgi, sending: message(.fastcgi, least))
        #expect(client.receive(until: ">").contains("200 OK"))
        client.send(Array(message(.fastcgi, least).prefix(20)))
        #expect(client.receiveToEnd().contains("408 Request Timeout"))
    }

    @Test(arguments: GatewayProtocol.allCases)
    func aDrainAnswersAndEndsTheConnection(spoken: GatewayProtocol) async throws {
        let begun = Signal()
        let server = try await server { _ in
            begun.signal()
            try await Task.sleep(for: .milliseconds(50))
            return Response("<>")
        }
        let client = await connect(server, spoken)
        client.send(message(spoken, least))
        #expect(begun.wait())
        await server.drain()
        #expect(client.receiveToEnd().contains("<>"))
        #expect(server.finished.wait())
    }
}

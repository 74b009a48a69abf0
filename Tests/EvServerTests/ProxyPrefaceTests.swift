// The stage of the PROXY header: what an app sees behind it, whom it refuses, and how it ends.

import EvGateway
import EvLoop
@testable import EvServer
import EvTestSupport
import Glibc
import Testing

private let line = "PROXY TCP4 203.0.113.9 192.0.2.1 49152 443\r\n"
private let block: [UInt8] =
    Array("\r\n\r\n\0\r\nQUIT\n!".utf8) + [0x11, 0, 12, 203, 0, 113, 9, 192, 0, 2, 1, 192, 0, 1, 187]
private let getPeer = "GET / HTTP/1.1\r\nHost: test\r\n\r\n"

@Suite struct ProxyPrefaceTests {
    private func server(
        from senders: [String] = [], _ configure: (inout ServerConfiguration) -> Void = { _ in }
    ) async throws -> TestServer {
        let senders = try AddressSet(senders)
        return try await TestServer {
            $0.acceptProxyHeaders(v1: true, v2: true, from: senders)
            configure(&$0)
        } _: { request in
            Response("<\(request.remoteAddress)>")
        }
    }

    /// - Parameter peer: as accept(2) would have told it; empty for a unix socket.
    private func connect(
        _ server: TestServer, sending bytes: [UInt8] = [], peer: String = ""
    ) async throws -> Client {
        let client = await server.connect(sending: bytes) {
            transport, none, listener, worker in
            ProxyHeaders.stage(worker)(transport, PeerAddress(parsing: peer) ?? none, listener, worker)
        }
        return client
    }

    @Test(arguments: [Array(line.utf8), block])
    func theAnnouncedClientIsThePeerOfEveryRequest(header: [UInt8]) async throws {
        let client = try await connect(server())
        client.send(header + Array(getPeer.utf8))
        #expect(client.receive(until: ">").hasSuffix("<203.0.113.9>"))
        client.send(getPeer)
        #expect(client.receive(until: ">").hasSuffix("<203.0.113.9>"))
    }

    @Test(arguments: [Array(line.utf8), block])
    func aHeaderMayComeInTwoPiecesAnywhere(header: [UInt8]) async throws {
        let server = try await server()
        let all = header + Array(getPeer.utf8)
        for cut in 1..<all.count {
            let client = try await connect(server, sending: Array(all[..<cut]))
            client.send(Array(all[cut...]))
            #expect(client.receive(until: ">").hasSuffix("<203.0.113.9>"), "after \(cut) bytes")
        }
    }

    @Test(arguments: ["PROXY UNKNOWN\r\n", ""])
    func withoutAnAnnouncedClientThePeerIsTheSocketsOwn(header: String) async throws {
        let client = try await connect(server(from: ["127.0.0.1"]), peer: "127.0.0.1")
        client.send(header + getPeer)
        #expect(client.receive(until: ">").hasSuffix("<127.0.0.1>"))
    }

    @Test func aRequestThatBeginsLikeAHeaderIsServed() async throws {
        let client = try await connect(server())
        client.send("PROXIES / HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(client.receive(until: ">").hasPrefix("HTTP/1.1 200 "))
    }

    @Test(arguments: [Array(line.utf8), block, Array("PROXY ".utf8), Array(block[..<12])])
    func aHeaderOfAnyoneElseIsForbidden(header: [UInt8]) async throws {
        let server = try await server(from: ["127.0.0.1", "10.0.0.0/8"])
        let stranger = try await connect(server, peer: "203.0.113.1")
        stranger.send(header + Array(getPeer.utf8))
        let answer = stranger.receiveToEnd()
        #expect(answer.hasPrefix("HTTP/1.1 403 ") && answer.contains("\r\nConnection: close\r\n"))
        #expect(!answer.contains("<"), "the request behind it was served")
        let friend = try await connect(server, peer: "10.1.2.3")
        friend.send(getPeer)
        #expect(friend.receive(until: ">").hasSuffix("<10.1.2.3>"))
    }

    @Test func aStrangersRequestIsServed() async throws {
        let client = try await connect(server(from: ["127.0.0.1"]), peer: "203.0.113.1")
        client.send(getPeer)
        #expect(client.receive(until: ">").hasSuffix("<203.0.113.1>"))
    }

    @Test(arguments: [
        Array("PROXY TCP4 203.0.113.300 192.0.2.1 1 2\r\n".utf8), Array(line.utf8) + Array(line.utf8), block + block,
        Array(line.utf8) + block, block + Array(line.utf8), Array(block[..<12]) + [0x31],
    ])
    func aBadHeaderOrASecondOneIsABadRequest(header: [UInt8]) async throws {
        let client = try await connect(server())
        client.send(header + Array(getPeer.utf8))
        let answer = client.receiveToEnd()
        #expect(answer.hasPrefix("HTTP/1.1 400 ") && !answer.contains("<"))
    }

    @Test func aHeaderBetweenRequestsIsABadRequest() async throws {
        let client = try await connect(server())
        client.send(line + getPeer)
        #expect(client.receive(until: ">").hasSuffix("<203.0.113.9>"))
        client.send(line + getPeer)
        let answer = client.receiveToEnd()
        #expect(answer.hasPrefix("HTTP/1.1 400 ") && !answer.contains("<"))
    }

    @Test func aHeaderThatDoesNotEndIsTimedOut() async throws {
        let server = try await server { $0.headTimeout = 0.1 }
        let slow = try await connect(server, sending: Array("PROXY TCP4 ".utf8))
        #expect(slow.receiveToEnd().hasPrefix("HTTP/1.1 408 "))
        #expect(try await connect(server).receiveToEnd().isEmpty)
    }

    @Test(arguments: [
        [], Array("PROXY TCP4 ".utf8), Array("\r\n\r\n\0\r\nQUIT\n ".utf8) + [0, 0, 0], Array("PROXY UNKNOWN\r\n".utf8),
    ])
    func aHealthCheckThatLeavesMakesNoNoise(sent: [UInt8]) async throws {
        let log = try TemporaryLog()
        let senders = try AddressSet([])
        let server = try await TestServer(
            { $0.acceptProxyHeaders(v1: true, v2: true, from: senders) },
            application: SwiftApplication(testApp), accessLog: (log.path, "%(s)s"))
        let check = try await connect(server, sending: sent)
        check.shutdownWriting()
        #expect(check.receiveToEnd().isEmpty)
        // The line of a request behind it is the first one.
        let client = try await connect(server)
        client.send(line + "GET /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        #expect(client.receiveToEnd().hasSuffix("Hello, World!"))
        await server.drain()
        #expect(server.finished.wait())
        #expect(log.text == "200\n")
    }

    @Test func aWorkerThatLeavesServesAHeaderOnItsWayAndWaitsForNoneThatIsNot() async throws {
        let server = try await server()
        let begun = try await connect(server, sending: Array(line.utf8.prefix(20)))
        let silent = try await connect(server)
        await server.drain()
        #expect(silent.receiveToEnd().isEmpty)
        begun.send(String(line.dropFirst(20)) + getPeer)
        #expect(begun.receiveToEnd().hasSuffix("<203.0.113.9>"))
        #expect(server.finished.wait())
    }

    @Test func connectionsToOneAddressShareWhatIsSaidOfIt() async throws {
        let server = try await server()
        let shared = Shared()
        for header in [line, line, "PROXY TCP4 203.0.113.9 192.0.2.1 49152 444\r\n"] {
            let client = try await connect(server)
            client.send(header + getPeer)
            #expect(client.receive(until: ">").hasSuffix("<203.0.113.9>"))
            await shared.note(server)
        }
        #expect(await shared.listeners.count == 2)
    }
}

/// The listeners that the headers of a worker have made, as they come.
@LoopActor
private final class Shared {
    var listeners: Set<ObjectIdentifier> = []
    private var kept: [Listener] = []

    func note(_ server: TestServer) {
        guard let last = server.worker.proxyHeaders?.lastListener else { return }
        kept.append(last)
        listeners.insert(ObjectIdentifier(last))
    }
}

// A worker that leaves with its places taken and clients in the queue of its socket, which nobody else has open.

import EvGateway
import EvLoop
import EvServer
import EvTestSupport
import Glibc
import Testing

@Suite struct AcceptorTests {
    private let listener: ListeningSocket
    private let released = LoopCondition()

    init() throws { listener = try .open(.tcp(host: "127.0.0.1", port: 0), backlog: 64) }

    /// One place, one client in it whose request waits for `released`, and others in the queue who have asked.
    private func crowded(waiting: Int) async throws -> (server: TestServer, clients: [Client]) {
        let server = try await TestServer(
            { $0.connections = 1 },
            application: SwiftApplication { [released] request in
                if request.path == "/hold" { _ = try await released.wait() }
                return Response("fine")
            }, listeners: [listener])
        let first = try connect("/hold")
        while await released.count == 0 { await LoopTurn.pass() }
        let others = try (0..<waiting).map { _ in try connect("/") }
        return (server, [first] + others)
    }

    private func connect(_ path: String) throws -> Client {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = listener.port.bigEndian
        name.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw SystemError("connect") }
        let client = Client(descriptor)
        client.send("GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n")
        return client
    }

    @Test func drainAnswersThoseThatTheCapHasNoRoomFor() async throws {
        let (server, clients) = try await crowded(waiting: 5)
        await server.drain()
        #expect(await server.openConnections == 1, "the cap still holds")
        await released.notifyAll()
        for client in clients {
            let answer = client.receiveToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.contains("Connection: close\r\n"))
        }
        #expect(server.finished.wait())
    }

    @Test func drainRefusesThoseForWhomThereIsNoTimeLeft() async throws {
        let (server, clients) = try await crowded(waiting: 5)
        await server.drain(timeout: 0)
        for client in clients {
            let answer = client.receiveToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
            #expect(answer.contains("Connection: close\r\n") && answer.contains("Retry-After: 1\r\n"))
        }
        #expect(server.finished.wait())
    }

    @Test func drainLeavesThemToOthersWhoAccept() async throws {
        let other = dup(listener.fileDescriptor)
        defer { close(other) }
        let (server, clients) = try await crowded(waiting: 1)
        await server.drain(takesQueue: false)
        var peer = PeerAddress()
        let accepted = Socket.accept(other, peer: &peer)
        #expect(accepted >= 0)
        close(accepted)
        await released.notifyAll()
        #expect(clients[0].receiveToEnd().hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(server.finished.wait())
    }
}

// Connections that go from one worker to another. Both are in this process, and what goes between them passes through
// a real socket with copies of the descriptors.

import EvGateway
import EvLoop
import EvTestSupport
import Glibc
import HTTP1
import Testing

@testable import EvServer

/// The way from a worker to others.
@LoopActor
private final class TestPost: ParcelPost {
    private(set) var siblings: [(number: Int, slot: ScoreboardSlot)] = []
    private var ways: [Int: (out: Int32, watcher: IOWatcher)] = [:]
    /// What became of the packets that were sent.
    private(set) var sent: [Packet.Sent] = []
    private var waiting: [Int: () -> Void] = [:]
    /// Mailboxes that take nothing.
    var full: Set<Int> = []

    func add(_ server: TestServer, number: Int) throws {
        let (out, back) = try PacketSocket.pair()
        let loop = try SharedLoop.current
        let watcher = IOWatcher(loop, fileDescriptor: back, events: .read) { _ in
            LoopActor.assumeIsolated { Self.read(back, server.worker) }
        }
        watcher.start()
        ways[number] = (out, watcher)
        siblings.append((number, server.worker.slot))
    }

    private static func read(_ back: Int32, _ worker: Worker) {
        withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 8) { buffer in
            var descriptors: [Int32] = []
            let count = Packet.receive(back, into: buffer, descriptors: &descriptors)
            guard count > 0 else { return }
            let lost = ParcelPacket.read(UnsafeRawBufferPointer(rebasing: buffer[..<count]), descriptors: descriptors) {
                worker.receive($0, $1)
            }
            #expect(lost == 0)
        }
    }

    func send(_ packet: ParcelPacket, to number: Int) -> Packet.Sent {
        guard let way = ways[number], !full.contains(number) else { return .full }
        let result = Packet.send(way.out, packet.bytes, descriptors: packet.descriptors)
        sent.append(result)
        return result
    }

    func whenTaking(_ number: Int, _ call: @escaping () -> Void) { waiting[number] = call }

    func open(_ number: Int) {
        full.remove(number)
        waiting.removeValue(forKey: number)?()
    }
}

@Suite struct MovesTests {
    /// A worker that leaves and others that stay, each of which answers with its name.
    private static func servers(
        _ count: Int, ages: [UInt32]? = nil, _ configure: (inout ServerConfiguration) -> Void = { _ in }
    ) async throws -> (old: TestServer, others: [TestServer], post: TestPost) {
        var servers: [TestServer] = []
        let address = BindAddress.abstract(name: "moves-\(getpid())-\(UInt64.random(in: 0...UInt64.max))")
        let socket = try ListeningSocket.open(address, backlog: 16)
        defer { socket.close() }
        for number in 0...count {
            // Each worker closes its own.
            let copy = ListeningSocket(
                fileDescriptor: fcntl(socket.fileDescriptor, F_DUPFD_CLOEXEC, 3), address: address,
                localAddress: socket.localAddress, port: 0, isUnix: true)
            servers.append(
                try await TestServer(
                    { configure(&$0) },
                    application: SwiftApplication { request in
                        if request.path == "/slow" { try await Task.sleep(for: .milliseconds(200)) }
                        let body = request.method == .post ? try await request.body.collect(upTo: 1 << 20) : []
                        return Response("server \(number)\(String(decoding: body, as: UTF8.self))\n")
                    }, listeners: [copy]))
        }
        let post = try await connect(servers, ages)
        return (servers[0], Array(servers[1...]), post)
    }

    @LoopActor private static func connect(_ servers: [TestServer], _ ages: [UInt32]?) throws -> TestPost {
        let post = TestPost()
        for (number, server) in servers.enumerated() {
            server.worker.slot.age = ages?[number] ?? UInt32(number + 1)
            if number > 0 { try post.add(server, number: number) }
        }
        servers[0].worker.moves.post = post
        return post
    }

    @LoopActor private static func setFull(_ post: TestPost, _ number: Int) { post.full.insert(number) }
    @LoopActor private static func open(_ post: TestPost, _ number: Int) { post.open(number) }

    private static func get(_ path: String = "/") -> String { "GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n" }

    /// Asks for the number of whoever has this connection now.
    private static func server(of client: Client) -> Int? {
        client.send(get())
        // Its body is one line, and the only one with this word.
        let answer = client.receive(until: "server ").split(separator: "\n").last ?? ""
        return answer.split(separator: " ").last.flatMap { Int($0) }
    }

    @Test func idleConnectionGoesOnAtTheYoungestWithTheSameSocket() async throws {
        let (old, others, _) = try await Self.servers(1)
        let clients = [await old.connect(), await old.connect(sending: Self.get())]
        _ = clients[1].receive(until: "server 0\n")
        await old.drain(takesQueue: false)
        await old.finished.wait()
        for client in clients {
            client.send(Self.get())
            let answer = client.receive(until: "server 1\n")
            #expect(answer.hasPrefix("HTTP/1.1 200 OK") && !answer.contains("Connection: close"))
        }
        #expect(await others[0].openConnections == 2)
    }

    @Test func beginningOfARequestGoesWithItsConnection() async throws {
        let (old, _, _) = try await Self.servers(1)
        let client = await old.connect(sending: "POST / HTTP/1.1\r\nHost: te")
        await old.drain(takesQueue: false)
        await old.finished.wait()
        client.send("st\r\nContent-Length: 2\r\n\r\nhi")
        #expect(client.receive(until: "hi\n").contains("server 1hi"))
    }

    @Test func runningRequestIsAnsweredAndItsConnectionGoesThen() async throws {
        let (old, _, _) = try await Self.servers(1)
        let client = await old.connect(sending: Self.get("/slow"))
        await old.drain(takesQueue: false)
        let answer = client.receive(until: "server 0\n")
        #expect(!answer.contains("Connection: close"))
        await old.finished.wait()
        client.send(Self.get())
        #expect(client.receive(until: "server 1\n").contains("200 OK"))
    }

    @Test func severalReceiversShareWhatThereIs() async throws {
        let (old, others, _) = try await Self.servers(3)
        var clients: [Client] = []
        for _ in 0..<300 { clients.append(await old.connect()) }
        await old.drain(takesQueue: false)
        await old.finished.wait()
        for client in clients {
            client.send(Self.get())
            #expect(client.receive(until: "\r\n\r\n").contains("200 OK"))
        }
        for other in others { #expect(await other.openConnections == 100) }
    }

    @Test func elderTakesWhereThereIsNoYounger() async throws {
        let (old, others, _) = try await Self.servers(2, ages: [5, 3, 7])
        let client = await old.connect()
        await old.drain(takesQueue: false)
        await old.finished.wait()
        #expect(Self.server(of: client) == 2)
        #expect(await others[0].openConnections == 0)
        let (middle, _, _) = try await Self.servers(1, ages: [5, 3])
        let other = await middle.connect()
        await middle.drain(takesQueue: false)
        await middle.finished.wait()
        #expect(Self.server(of: other) == 1)
    }

    @Test func fullMailboxIsWaitedForAndNothingIsLost() async throws {
        let (old, _, post) = try await Self.servers(1)
        var clients: [Client] = []
        for _ in 0..<200 { clients.append(await old.connect()) }
        await Self.setFull(post, 1)
        await old.drain(takesQueue: false)
        #expect(await old.openConnections == 200)
        await Self.open(post, 1)
        await old.finished.wait()
        for client in clients { #expect(Self.server(of: client) == 1) }
    }

    @Test func withoutAReceiverConnectionsEndAsBefore() async throws {
        let (old, _, _) = try await Self.servers(0)
        let client = await old.connect(sending: Self.get())
        _ = client.receive(until: "server 0\n")
        await old.drain(takesQueue: false)
        #expect(client.receiveToEnd() == "")
        await old.finished.wait()
    }

    @Test func mailboxThatTakesNothingIsGivenUp() async throws {
        let (old, others, post) = try await Self.servers(1)
        let client = await old.connect()
        await Self.setFull(post, 1)
        await old.drain(takesQueue: false)
        #expect(client.receiveToEnd() == "")
        await old.finished.wait()
        #expect(await others[0].openConnections == 0)
    }

    @Test func workerThatHasAllItsConnectionsGetsNoMore() async throws {
        let (old, others, _) = try await Self.servers(1) { $0.connections = 3 }
        var clients: [Client] = []
        for _ in 0..<2 { clients.append(await others[0].connect()) }
        for _ in 0..<2 { clients.append(await old.connect()) }
        await old.drain(takesQueue: false)
        await old.finished.wait()
        #expect(clients.map { Self.server(of: $0) } == [1, 1, 1, nil])
    }

    @Test func longBeginningOfARequestGoesInAFile() async throws {
        let (old, _, _) = try await Self.servers(1) { $0.limits.fieldSize = 0 }
        let client = await old.connect(
            sending: "GET / HTTP/1.1\r\nHost: test\r\nX-Long: " + String(repeating: "x", count: 40_000))
        await old.drain(takesQueue: false)
        await old.finished.wait()
        client.send("\r\n\r\n")
        #expect(client.receive(until: "server 1\n").contains("200 OK"))
    }
}

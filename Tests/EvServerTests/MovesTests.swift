// Connections that go from one worker to another. All are in this process, and what goes between them passes through
// real mailboxes, with copies of the descriptors.

import EvBus
import EvGateway
import EvLoop
import EvTestSupport
import Glibc
import HTTP1
import Testing

@testable import EvServer

/// Workers of one server, each of which answers with its number. Number 0 leaves.
private struct Family {
    let servers: [TestServer]
    let ground: BusGround

    /// - Parameter ages: of the workers; else each is younger than the one before.
    init(
        _ count: Int, ages: [UInt32]? = nil, _ configure: (inout ServerConfiguration) -> Void = { _ in }
    ) async throws {
        ground = try BusGround(slots: count)
        let slots = (0..<count).map { _ in ScoreboardSlot.local() }
        let address = BindAddress.abstract(name: "moves-\(getpid())-\(UInt64.random(in: 0...UInt64.max))")
        let socket = try ListeningSocket.open(address, backlog: 16)
        defer { socket.close() }
        var servers: [TestServer] = []
        for number in 0..<count {
            let age = ages?[number] ?? UInt32(number + 1)
            slots[number].age = age
            ground.begin(number, age: age)
            // Each worker closes its own.
            let copy = ListeningSocket(
                fileDescriptor: fcntl(socket.fileDescriptor, F_DUPFD_CLOEXEC, 3), address: address,
                localAddress: socket.localAddress, port: 0, isUnix: true)
            servers.append(
                try await TestServer(
                    configure, application: Self.app(number), listeners: [copy],
                    seat: BusSeat(ground: ground, place: number, age: age), slots: slots))
        }
        self.servers = servers
    }

    private static func app(_ number: Int) -> SwiftApplication {
        SwiftApplication { request in
            if request.path == "/slow" { try await Task.sleep(for: .milliseconds(200)) }
            if request.path == "/hold" {
                return response("nothing\n", ["Grip-Hold": "response", "Grip-Channel": "news"])
            }
            if request.path == "/park", number > 0 { return Response("parked at \(number)\n") }
            if request.path == "/park" {
                return Response(waitingFor: LoopCondition(), replays: true) { _ in Response("parked at 0\n") }
            }
            let body = request.method == .post ? try await request.body.collect(upTo: 1 << 20) : []
            return Response("server \(number)\(String(decoding: body, as: UTF8.self))\n")
        }
    }

    var old: TestServer { servers[0] }

    /// The first worker leaves, and has done so when this returns.
    func leave() async {
        await old.drain(takesQueue: false)
        await old.finished.wait()
    }
}

@Suite struct MovesTests {
    private static func get(_ path: String = "/") -> String { "GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n" }

    /// Asks for the number of whoever has this connection now.
    private static func server(of client: Client) -> Int? {
        client.send(get())
        let answer = client.receive(until: "server ").split(separator: "\n").last ?? ""
        return answer.split(separator: " ").last.flatMap { Int($0) }
    }

    @Test func idleConnectionGoesOnAtTheYoungestWithTheSameSocket() async throws {
        let family = try await Family(2)
        let clients = [await family.old.connect(), await family.old.connect(sending: Self.get())]
        _ = clients[1].receive(until: "server 0\n")
        await family.leave()
        for client in clients {
            client.send(Self.get())
            let answer = client.receive(until: "server 1\n")
            #expect(answer.hasPrefix("HTTP/1.1 200 OK") && !answer.contains("Connection: close"))
        }
        #expect(await family.servers[1].openConnections == 2)
    }

    @Test func beginningOfARequestGoesWithItsConnection() async throws {
        let family = try await Family(2)
        let client = await family.old.connect(sending: "POST / HTTP/1.1\r\nHost: te")
        await family.leave()
        client.send("st\r\nContent-Length: 2\r\n\r\nhi")
        #expect(client.receive(until: "hi\n").contains("server 1hi"))
    }

    @Test func longBeginningOfARequestGoesToo() async throws {
        let family = try await Family(2) { $0.limits.fieldSize = 0 }
        let client = await family.old.connect(
            sending: "GET / HTTP/1.1\r\nHost: test\r\nX-Long: " + String(repeating: "x", count: 40_000))
        let other = await family.old.connect()
        await family.leave()
        client.send("\r\n\r\n")
        #expect(client.receive(until: "server 1\n").contains("200 OK"))
        #expect(Self.server(of: other) == 1)
    }

    @Test func runningRequestIsAnsweredAndItsConnectionGoesThen() async throws {
        let family = try await Family(2)
        let client = await family.old.connect(sending: Self.get("/slow"))
        await family.old.drain(takesQueue: false)
        let answer = client.receive(until: "server 0\n")
        #expect(!answer.contains("Connection: close"))
        await family.old.finished.wait()
        #expect(Self.server(of: client) == 1)
    }

    @Test func severalReceiversShareWhatThereIs() async throws {
        let family = try await Family(4)
        var clients: [Client] = []
        for _ in 0..<300 { clients.append(await family.old.connect()) }
        await family.leave()
        var counts: [Int?: Int] = [:]
        for client in clients { counts[Self.server(of: client), default: 0] += 1 }
        #expect(counts.count == 3 && counts.values.allSatisfy { 90...110 ~= $0 }, "\(counts)")
    }

    @Test func elderTakesWhereThereIsNoYounger() async throws {
        let family = try await Family(3, ages: [5, 3, 7])
        let client = await family.old.connect()
        await family.leave()
        #expect(Self.server(of: client) == 2)
        let last = try await Family(2, ages: [5, 3])
        let other = await last.old.connect()
        await last.leave()
        #expect(Self.server(of: other) == 1)
    }

    @Test func withoutAReceiverConnectionsEndAsBefore() async throws {
        let family = try await Family(1)
        let client = await family.old.connect(sending: Self.get())
        _ = client.receive(until: "server 0\n")
        await family.old.drain(takesQueue: false)
        #expect(client.receiveToEnd() == "")
        await family.old.finished.wait()
    }

    @Test func workerThatLeavesForGoodKeepsWhatItHas() async throws {
        let family = try await Family(2)
        let client = await family.old.connect(sending: Self.get())
        _ = client.receive(until: "server 0\n")
        await family.old.drain(takesQueue: true)
        #expect(client.receiveToEnd() == "")
        await family.old.finished.wait()
    }

    @Test func workerThatHasAllItsConnectionsGetsNoMore() async throws {
        let family = try await Family(2) { $0.connections = 3 }
        var clients: [Client] = []
        for _ in 0..<2 { clients.append(await family.servers[1].connect()) }
        for _ in 0..<2 { clients.append(await family.old.connect()) }
        await family.leave()
        #expect(clients.map { Self.server(of: $0) } == [1, 1, 1, nil])
    }

    @Test func holdsGoToAWorkerThatIsReadyLater() async throws {
        let family = try await Family(3) {
            $0.connections = 2
            $0.grip = GripConfiguration()
        }
        let clients = [await family.servers[1].connect(), await family.servers[1].connect()]
        var waiting = [await family.old.connect(sending: Self.get("/hold"))]
        await family.old.waitForHolds(1)
        await Self.set(.booting, of: family.servers[2])
        // The second goes first, to the only worker that is ready.
        clients[1].reset()
        waiting.append(await family.old.connect(sending: Self.get("/hold")))
        await family.old.waitForHolds(2)
        await family.old.drain(takesQueue: false)
        await family.servers[1].waitForHolds(1)
        await Self.set(.ready, of: family.servers[2])
        await family.old.finished.wait()
        await family.servers[2].waitForHolds(1)
        try await family.servers[2].publish("news", "news of all\n")
        for client in waiting { #expect(client.receive(until: "news of all\n").hasPrefix("HTTP/1.1 200 OK")) }
    }

    @LoopActor private static func set(_ state: ScoreboardSlot.State, of server: TestServer) {
        server.worker.slot.state = state
    }

    @Test func whatAProcessLeavesUnreadIsForItsSuccessor() async throws {
        let family = try await Family(2)
        // Nobody reads there yet, as while an app is loaded.
        await Self.close(family.servers[1])
        family.ground.end(1)
        family.ground.begin(1, age: 9)
        for name in await Self.addresses(of: family.servers[1]) { family.ground.listens(1, at: name) }
        let successor = try await Self.bus(BusSeat(ground: family.ground, place: 1, age: 9))
        let client = await family.old.connect()
        await family.leave()
        await Self.serve(successor, by: family.servers[1])
        #expect(Self.server(of: client) == 1)
    }

    @LoopActor private static func close(_ server: TestServer) { server.worker.bus.close() }
    @LoopActor private static func addresses(of server: TestServer) -> [[UInt8]] { server.worker.acceptor.names }
    /// A process ends before its bus.
    @LoopActor private static var kept: [Bus] = []
    @LoopActor private static func bus(_ seat: BusSeat) throws -> Bus {
        let bus = Bus(try SharedLoop.current, seat: seat)
        kept.append(bus)
        return bus
    }
    @LoopActor private static func serve(_ bus: Bus, by server: TestServer) {
        bus.onParcel = { parcel in
            _ = parcel.bytes.withUnsafeBytes { bytes in
                ParcelPacket.read(bytes, descriptors: parcel.descriptors) { server.worker.receive($0, $1, $2) }
            }
        }
    }

    @Test func parkedRequestIsRunAgainByTheOtherWorker() async throws {
        let family = try await Family(2)
        let clients = [
            await family.old.connect(sending: Self.get("/park") + Self.get()),
            await family.old.connect(sending: Self.get("/park")),
        ]
        await family.leave()
        // Both answers may come at once.
        let answers = clients[0].receive(until: "server 1\n")
        #expect(answers.contains("parked at 1\n") && answers.split(separator: "200 OK").count == 3)
        #expect(clients[1].receive(until: "parked at 1\n").contains("200 OK"))
        #expect(Self.server(of: clients[1]) == 1)
    }

    @Test func requestThatNobodyTakesIsRunWhereItIs() async throws {
        let family = try await Family(1)
        let client = await family.old.connect(sending: Self.get("/park"))
        await family.old.drain(timeout: 0.2, takesQueue: false)
        #expect(client.receive(until: "503").hasPrefix("HTTP/1.1 503"))
        await family.old.finished.wait()
    }

    @Test func connectionCanGoAlone() async throws {
        let family = try await Family(3)
        let client = await family.servers[1].connect(sending: Self.get())
        _ = client.receive(until: "server 1\n")
        #expect(await Self.give(family.servers[1], to: 2))
        #expect(Self.server(of: client) == 2)
        await Self.close(family.servers[2])
        let other = await family.servers[1].connect(sending: Self.get())
        _ = other.receive(until: "server 1\n")
        #expect(await !Self.give(family.servers[1], to: 2))
        #expect(Self.server(of: other) == 1)
    }

    /// Gives the idle connection of a worker, with the head of a request that has come.
    @LoopActor private static func give(_ server: TestServer, to place: Int) -> Bool {
        guard let connection = server.worker.deadlines.first(of: .keepAlive) as? HTTP1Connection else { return false }
        guard let parcel = connection.parcel else { return false }
        return server.worker.moves.give(connection, parcel, to: place)
    }
}

import EvLoop
import EvTestSupport
import Glibc
import HTTPCore
import Testing

@testable import EvServer

/// Requests whose connection becomes something else: a WebSocket, or one that the app has taken.
@Suite struct UpgradeTests {
    private static let opening = "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    /// Masked, as those of a client are.
    private static let closeFrame: [UInt8] = [0x88, 0x80, 0, 0, 0, 0]

    @Test func connectionThatIsTakenIsTheAppsUntilItEnds() async throws {
        let app = Upgrader(takes: true)
        let server = try await TestServer({ _ in }, application: app)
        var client: Client? = await server.connect(sending: Self.opening + "early")
        #expect(app.upgraded.wait())
        let taken = try #require(await app.taken)
        #expect(taken.leftOver == Array("early".utf8))
        #expect(send(taken.descriptor, "raw", 3, 0) == 3)
        #expect(client?.receive(until: "raw") == "raw")
        await app.end()
        #expect(client?.receiveToEnd() == "")
        client = nil
        while await server.openConnections > 0 { await LoopTurn.pass() }
        #expect(await app.exchange == nil)
        // What the app keeps is of no use.
        #expect(send(taken.descriptor, "late", 4, Int32(MSG_NOSIGNAL)) == -1)
        close(taken.descriptor)
    }

    @Test func connectionThatIsTakenEndsWithTheTimeOfTheWorker() async throws {
        let app = Upgrader(takes: true)
        let server = try await TestServer({ _ in }, application: app)
        let client = await server.connect(sending: Self.opening)
        #expect(app.upgraded.wait())
        let taken = try #require(await app.taken)
        await server.drain(timeout: 0.01)
        #expect(client.receiveToEnd() == "")
        var byte: UInt8 = 0
        #expect(read(taken.descriptor, &byte, 1) == 0)
        await app.end()
        #expect(server.finished.wait())
        close(taken.descriptor)
    }

    @Test(arguments: [true, false]) func webSocketLeavesNothingBehind(_ appIsFirst: Bool) async throws {
        let app = Upgrader(takes: false)
        let server = try await TestServer({ _ in }, application: app)
        var client: Client? = await server.connect(sending: Self.opening)
        #expect(app.upgraded.wait())
        #expect(client?.receive(until: "\r\n\r\n").hasPrefix("HTTP/1.1 101 ") == true)
        if appIsFirst { await app.end() }
        client?.send(Self.closeFrame)
        _ = client?.receiveToEnd()
        client = nil
        if !appIsFirst { await app.end() }
        while await server.openConnections > 0 { await LoopTurn.pass() }
        #expect(await app.exchange == nil)
    }
}

/// Upgrades its one request in a later turn of the loop, as apps in Python do.
private final class Upgrader: Application {
    let upgraded = Signal()
    private let takes: Bool
    @LoopActor private(set) weak var exchange: Exchange?
    @LoopActor private(set) var taken: (descriptor: Int32, leftOver: [UInt8])?
    @LoopActor private var running: Exchange?

    init(takes: Bool) { self.takes = takes }

    @LoopActor func begin(_ exchange: Exchange) {
        exchange.appWasCalled()
        exchange.upgrade = .offered(WebSocketOffer([], []))
        (self.exchange, running) = (exchange, exchange)
        LoopExecutor.shared.later { LoopActor.assumeIsolated { self.upgrade(exchange) } }
    }

    @LoopActor private func upgrade(_ exchange: Exchange) {
        if takes {
            taken = exchange.takeConnection()
        } else {
            _ = exchange.acceptWebSocket(subprotocol: nil, ResponseHead())
        }
        upgraded.signal()
    }

    @LoopActor func end() {
        running?.taskEnded()
        running = nil
    }
}

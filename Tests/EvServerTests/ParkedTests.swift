import EvLoop
import EvServer
import EvTestSupport
import HTTPTypes
import Testing

/// Requests whose response is made when something else happens, and that hold no task until then.
@Suite struct ParkedTests {
    @Test func answersWhenTheConditionIsAnnounced() async throws {
        let news = LoopCondition()
        let server = try await TestServer { _ in Response(waitingFor: news) { Response("came: \($0)") } }
        let client = await server.connect(sending: getHello)
        while await news.count == 0 { await LoopTurn.pass() }
        await news.notifyAll()
        #expect(client.receive(until: "came: true").hasPrefix("HTTP/1.1 200 OK\r\n"))
        client.send(getHello)
        while await news.count == 0 { await LoopTurn.pass() }
        await news.notifyAll()
        #expect(client.receive(until: "came: true").hasPrefix("HTTP/1.1 200 OK\r\n"))
    }

    @Test func answersWhenTheTimeIsUp() async throws {
        let server = try await TestServer { _ in
            Response(waitingFor: LoopCondition(), atMost: .milliseconds(5)) { Response("came: \($0)") }
        }
        let client = await server.connect(sending: getHello)
        #expect(client.receive(until: "came: false").hasPrefix("HTTP/1.1 200 OK\r\n"))
    }

    @Test func forgetsAClientThatLeaves() async throws {
        let news = LoopCondition()
        let server = try await TestServer { _ in Response(waitingFor: news) { _ in Response("never") } }
        var client: Client? = await server.connect(sending: getHello)
        while await news.count == 0 { await LoopTurn.pass() }
        client?.shutdownWriting()
        client = nil
        while await news.count > 0 { await LoopTurn.pass() }
        while await server.openConnections > 0 { await LoopTurn.pass() }
        await server.drain()
        #expect(server.finished.wait())
    }

    @Test func mayParkAgain() async throws {
        let news = LoopCondition()
        let server = try await TestServer { _ in
            Response(waitingFor: news) { _ in Response(waitingFor: news) { _ in Response("twice") } }
        }
        let client = await server.connect(sending: getHello)
        for _ in 0..<2 {
            while await news.count == 0 { await LoopTurn.pass() }
            await news.notifyAll()
        }
        #expect(client.receive(until: "twice").hasPrefix("HTTP/1.1 200 OK\r\n"))
    }

    @Test func isGivenUpWhenTheWorkerQuits() async throws {
        let news = LoopCondition()
        let server = try await TestServer { _ in Response(waitingFor: news) { _ in Response("never") } }
        let client = await server.connect(sending: getHello)
        while await news.count == 0 { await LoopTurn.pass() }
        await server.quit()
        #expect(server.finished.wait())
        #expect(client.receiveToEnd().isEmpty)
        #expect(await news.count == 0)
    }
}

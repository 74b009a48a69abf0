import EvGateway
import EvLoop
import EvServer
import EvTestSupport
import HTTPTypes
import Testing

/// Requests whose response is made later, after another event, and that hold no task until then.
@Suite struct ParkedTests {
    /// A response that tells whether the condition was announced; made in a task, or in a call on the loop.
    private static func parked(
        _ news: LoopCondition, atMost limit: Duration? = nil, inTask: Bool
    ) -> Response {
        guard inTask else { return Response(waitingFor: news, atMost: limit) { Response("came: \($0)") } }
        return Response(waitingFor: news, atMost: limit) { came in
            await Task.yield()
            return Response("came: \(came)")
        }
    }

    @Test(arguments: [true, false]) func answersWhenTheConditionIsAnnounced(inTask: Bool) async throws {
        let news = LoopCondition()
        let server = try await TestServer { _ in Self.parked(news, inTask: inTask) }
        let client = await server.connect(sending: getHello)
        while await news.count == 0 { await LoopTurn.pass() }
        await news.notifyAll()
        #expect(client.receive(until: "came: true").hasPrefix("HTTP/1.1 200 OK\r\n"))
        client.send(getHello)
        while await news.count == 0 { await LoopTurn.pass() }
        await news.notifyAll()
        #expect(client.receive(until: "came: true").hasPrefix("HTTP/1.1 200 OK\r\n"))
    }

    @Test(arguments: [true, false]) func answersWhenTheTimeIsUp(inTask: Bool) async throws {
        let server = try await TestServer { _ in
            Self.parked(LoopCondition(), atMost: .milliseconds(5), inTask: inTask)
        }
        let client = await server.connect(sending: getHello)
        #expect(client.receive(until: "came: false").hasPrefix("HTTP/1.1 200 OK\r\n"))
    }

    @Test func aCallOnTheLoopMayThrowOrStream() async throws {
        let server = try await TestServer { request in
            Response(waitingFor: LoopCondition(), atMost: .milliseconds(1)) { _ in
                guard request.path == "/hello" else { throw SystemError("app", errno: 5) }
                return Response { writer in
                    for part in ["one", "two"] { try await writer.write(part) }
                }
            }
        }
        let client = await server.connect(sending: getHello)
        let text = client.receive(until: "0\r\n\r\n")
        #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n") && text.hasSuffix("one\r\n3\r\ntwo\r\n0\r\n\r\n"))
        client.send("GET /throw HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(client.receive(until: "Error\n").hasPrefix("HTTP/1.1 500 "))
    }

    @Test func isNotAnsweredOnceTheClientHasLeft() async throws {
        let news = LoopCondition()
        let server = try await TestServer { _ in
            Response(waitingFor: news) { _ in
                Issue.record("answered"); return .init("")
            }
        }
        let client = await server.connect(sending: getHello)
        while await news.count == 0 { await LoopTurn.pass() }
        await server.announceAndQuit(news)
        #expect(server.finished.wait())
        #expect(client.receiveToEnd().isEmpty)
    }

    @Test func leavingIsToldOnce() async throws {
        let server = try await TestServer { _ in Response("") }
        let told = await server.countLeaving()
        await server.drain()
        #expect(server.finished.wait())
        await server.quit()
        #expect(await told.count == 1)
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

@LoopActor private final class Count {
    var count = 0
}

extension TestServer {
    /// Both happen before the loop's next turn, when the woken request is not yet answered.
    @LoopActor fileprivate func announceAndQuit(_ news: LoopCondition) {
        news.notifyAll()
        quit()
    }

    @LoopActor fileprivate func countLeaving() -> Count {
        let told = Count()
        WorkerLeave.add { told.count += 1 }
        return told
    }
}

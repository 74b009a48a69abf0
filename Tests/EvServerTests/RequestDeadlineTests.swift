import EvGateway
import EvLoop
import EvServer
import EvTestSupport
import HTTP1
import HTTPTypes
import Synchronization
import Testing

/// Requests that end at their deadline.
@Suite struct RequestDeadlineTests {
    /// Sleeps until it is cancelled, and records that.
    private static func sleeper(_ cancelled: Signal) -> RequestHandler {
        { _ in
            do { try await Task.sleep(for: .seconds(3600), clock: .loop) } catch {
                cancelled.signal()
                throw error
            }
            return Response("never")
        }
    }

    @Test func cancelsTheTaskAndAnswers504AndKeepsTheConnection() async throws {
        let cancelled = Signal()
        let client = try await TestServer({ $0.requestTimeout = 0.05 }, Self.sleeper(cancelled)).connect()
        client.send(getHello)
        #expect(client.receive(until: "Gateway Timeout\n").hasPrefix("HTTP/1.1 504 "))
        #expect(cancelled.wait())
        client.send(getHello)
        #expect(client.receive(until: "Gateway Timeout\n").hasPrefix("HTTP/1.1 504 "))
    }

    @Test func breaksAStreamOffVisibly() async throws {
        let cancelled = Signal()
        let server = try await TestServer({ $0.requestTimeout = 0.05 }) { _ in
            Response { writer in
                try await writer.write("begun")
                do { try await Task.sleep(for: .seconds(3600), clock: .loop) } catch { cancelled.signal() }
            }
        }
        let client = await server.connect()
        client.send(getHello)
        let answer = client.receiveToEnd()
        #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.hasSuffix("begun\r\n"))
        #expect(cancelled.wait())
    }

    @Test func endsAWaitForTheBodyOfASlowClient() async throws {
        let ended = Signal()
        let server = try await TestServer({ $0.requestTimeout = 0.05 }) { request in
            do { _ = try await request.body.collect(upTo: 100) } catch { ended.signal() }
            return Response("never")
        }
        let client = await server.connect()
        client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nabc")
        #expect(client.receive(until: "\r\n").hasPrefix("HTTP/1.1 504 "))
        #expect(ended.wait())
    }

    @Test func anAppTakesMoreTimeThanTheDefault() async throws {
        let server = try await TestServer({ $0.requestTimeout = 0.05 }) { request in
            if request.path == "/none" { request.setDeadline(nil) } else { request.extendDeadline(by: .seconds(3600)) }
            let deadline = await request.deadline
            try await Task.sleep(for: .milliseconds(150), clock: .loop)
            return Response(deadline == nil ? "no deadline" : "later deadline")
        }
        let client = await server.connect()
        client.send("GET /none HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(client.receive(until: "deadline").hasSuffix("no deadline"))
        client.send("GET /later HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(client.receive(until: "deadline").hasSuffix("later deadline"))
    }

    @Test func anAppGivesItselfADeadlineWhereThereIsNone() async throws {
        let server = try await TestServer { request in
            request.setDeadline(LoopClock().now)
            try await Task.sleep(for: .seconds(3600), clock: .loop)
            return Response("never")
        }
        let client = await server.connect()
        client.send(getHello)
        #expect(client.receive(until: "\r\n").hasPrefix("HTTP/1.1 504 "))
    }

    @Test func deadlinesExpireInTheirOwnOrder() async throws {
        let all = Signal()
        let requests = Mutex<[Request]>([])
        let order = Mutex<[Int]>([])
        let delays = [7, 2, 9, 4, 1, 8, 3, 6, 5]
        let server = try await TestServer({ $0.requestTimeout = 3600 }) { request in
            let begun = requests.withLock { requests in
                requests.append(request)
                return requests
            }
            // The last request sets all deadlines, so that none passes before the others are set.
            if begun.count == delays.count {
                let now = LoopClock().now
                for request in begun {
                    request.setDeadline(now.advanced(by: .milliseconds(20 * (Int(request.path.dropFirst()) ?? 0))))
                }
            }
            do { try await Task.sleep(for: .seconds(3600), clock: .loop) } catch {
                let count = order.withLock { order in
                    order.append(Int(request.path.dropFirst()) ?? 0)
                    return order.count
                }
                if count == delays.count { all.signal() }
            }
            return Response("never")
        }
        var clients: [Client] = []
        for delay in delays {
            let client = await server.connect(sending: "GET /\(delay) HTTP/1.1\r\nHost: test\r\n\r\n")
            clients.append(client)
        }
        #expect(all.wait())
        #expect(order.withLock { $0 } == delays.sorted())
    }

    @Test func endsAParkedRequest() async throws {
        let news = LoopCondition()
        let server = try await TestServer({ $0.requestTimeout = 0.05 }) { _ in
            Response(waitingFor: news) { _ in Response("never") }
        }
        let client = await server.connect()
        client.send(getHello)
        #expect(client.receive(until: "Timeout\n").hasPrefix("HTTP/1.1 504 "))
        #expect(await news.count == 0)
        // The worker can end: it waits for no part of the request.
        await server.drain(timeout: 3600)
        #expect(server.finished.wait())
    }

    @Test func anAppOutsideOfTasksIsTold() async throws {
        let told = Signal()
        let app = Listening(told)
        let client = try await TestServer({ $0.requestTimeout = 0.05 }, application: app).connect()
        client.send(getHello)
        #expect(client.receive(until: "\r\n").hasPrefix("HTTP/1.1 504 "))
        #expect(told.wait())
    }
}

/// Holds a request until its deadline, as an app on another loop or thread does.
private final class Listening: Application {
    private let told: Signal
    init(_ told: Signal) { self.told = told }

    @LoopActor func begin(_ exchange: Exchange) {
        exchange.onClientLeft = { Issue.record("the deadline has an observer of its own") }
        exchange.onDeadline = { [told] in
            if exchange.isGone, !exchange.clientHasLeft { told.signal() }
            exchange.taskEnded()
        }
    }
}

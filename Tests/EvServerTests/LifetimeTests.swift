import EvGateway
import EvLoop
import EvServer
import EvTestSupport
import Glibc
import HTTP1
import HTTPCore
import HTTPTypes
import Testing

/// How connections, requests and workers end.
@Suite struct LifetimeTests {
    /// Without a grace to wait for: a unix socket tells a close and a half-close apart.
    @Test func cancelsTheTaskOfAClientThatLeaves() async throws {
        let begun = Signal()
        let cancelled = Signal()
        let server = try await TestServer({ $0.halfCloseGrace = 0 }) { _ in
            begun.signal()
            do { try await Task.sleep(for: .seconds(3600), clock: .loop) } catch {
                cancelled.signal()
                throw error
            }
            return Response("never")
        }
        var client: Client? = await server.connect()
        client?.send(getHello)
        #expect(begun.wait())
        client = nil
        #expect(cancelled.wait())
    }

    /// The app is called with the whole body, or at once. Tests check whether it was called for a client that left.
    @Test(arguments: [true, false]) func countsRequestsThatNoAppWasCalledFor(_ collectsBody: Bool) async throws {
        let ended = Signal()
        let server = try await TestServer({ _ in }, application: BodyReader(collectsBody, ended))
        var client: Client? = await server.connect(
            sending: "POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        #expect(client?.receive(until: "\r\n\r\n").hasPrefix("HTTP/1.1 100 ") == true)
        client?.reset()
        client = nil
        #expect(ended.wait())
        #expect(await server.dropped == (collectsBody ? 1 : 0))
    }

    @Test func countsNoRequestsThatTheWorkerGivesUp() async throws {
        let ended = Signal()
        let server = try await TestServer({ _ in }, application: BodyReader(true, ended))
        let client = await server.connect(
            sending: "POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        #expect(client.receive(until: "\r\n\r\n").hasPrefix("HTTP/1.1 100 "))
        await server.quit()
        #expect(ended.wait() && server.finished.wait())
        #expect(await server.dropped == 0)
    }

    @Test func answersAClientThatHasClosedItsSendingSide() async throws {
        let client = try await TestServer(testApp).connect()
        client.send(getHello)
        client.shutdownWriting()
        #expect(client.receiveToEnd().hasSuffix("Hello, World!"))
    }

    @Test func cancelsAHalfClosedRequestAfterItsGrace() async throws {
        let cancelled = Signal()
        let server = try await TestServer({ $0.halfCloseGrace = 0.05 }) { _ in
            do { try await Task.sleep(for: .seconds(3600), clock: .loop) } catch {
                cancelled.signal()
                throw error
            }
            return Response("never")
        }
        let client = await server.connect()
        client.send(getHello)
        client.shutdownWriting()
        #expect(cancelled.wait())
        #expect(client.receiveToEnd().isEmpty)
    }

    @Test func holdsAFastWriterBackForASlowReader() async throws {
        let written = Signal()
        let server = try await TestServer { _ in
            Response { writer in
                for _ in 0..<64 { try await writer.write([UInt8](repeating: 120, count: 65_536)) }
                written.signal()
            }
        }
        let client = await server.connect()
        client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        _ = client.receive(1)
        // Another client is served meanwhile. If the writer did not wait, these turns of the loop would let it go on.
        let other = await server.connect()
        for _ in 0..<10 {
            other.send("GET /held HTTP/1.1\r\nHost: test\r\n")
            await LoopTurn.pass()
        }
        var entry = pollfd(fd: client.fileDescriptor, events: Int16(POLLIN), revents: 0)
        #expect(poll(&entry, 1, 0) == 1)
        #expect(client.receiveToEnd().utf8.count > 64 * 65_536)
        #expect(written.wait())
    }

    @Test func sendsALargeBodyWhole() async throws {
        let client = try await TestServer(testApp).connect()
        client.send("GET /large HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        let answer = client.receiveToEnd()
        let body = try #require(answer.ranges(of: "\r\n\r\n").first).upperBound
        #expect(answer[body...].utf8.count == 8 << 20)
    }

    @Test func closesAHeadThatTakesTooLong() async throws {
        let server = try await TestServer({ $0.headTimeout = 0.05 }, testApp)
        let silent = await server.connect()
        #expect(silent.receiveToEnd().isEmpty)
        let slow = await server.connect(sending: "GET / HT")
        #expect(slow.receiveToEnd().hasPrefix("HTTP/1.1 408 "))
    }

    @Test func closesABodyThatMakesNoProgress() async throws {
        let server = try await TestServer({ $0.bodyTimeout = 0.05 }, testApp)
        let client = await server.connect()
        client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nab")
        #expect(client.receiveToEnd().hasPrefix("HTTP/1.1 408 "))
    }

    @Test func doesNotReadAheadOfAClientThatReadsNothing() async throws {
        let server = try await TestServer({ $0.writeTimeout = 0 }, testApp)
        let client = await server.connect()
        var blocks = 0
        let requests = Array(String(repeating: "GET /large HTTP/1.1\r\nHost: test\r\n\r\n", count: 4).utf8)
        // The rest cannot be sent, because the server has stopped reading.
        while blocks < 10_000, Glibc.send(client.fileDescriptor, requests, requests.count, Int32(MSG_DONTWAIT)) > 0 {
            blocks += 1
            await LoopTurn.pass()
        }
        #expect(blocks < 10_000)
    }

    @Test func timesABodyThatIsAwaitedAtOnce() async throws {
        let server = try await TestServer({ $0.bodyTimeout = 0.05 }, application: CollectsAtOnce())
        let client = await server.connect(sending: "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nab")
        #expect(client.receiveToEnd().hasPrefix("HTTP/1.1 408 "))
    }

    @Test func closesAnIdleConnection() async throws {
        let server = try await TestServer({ $0.keepAliveTimeout = 0.05 }, testApp)
        let client = await server.connect()
        client.send(getHello)
        #expect(client.receiveToEnd().hasSuffix("World!"))
    }

    @Test func dropsAPeerThatReadsNothing() async throws {
        let server = try await TestServer({ $0.writeTimeout = 0.05 }, testApp)
        let client = await server.connect()
        client.send("GET /large HTTP/1.1\r\nHost: test\r\n\r\n")
        while await server.openConnections > 0 { await LoopTurn.pass() }
        #expect(client.receiveToEnd().utf8.count < 8 << 20)
    }

    @Test func finishesWhatRunsWhenItDrains() async throws {
        let begun = Signal()
        let release = AsyncStream<Void>.makeStream()
        let server = try await TestServer { _ in
            begun.signal()
            for await _ in release.stream { break }
            return Response("finished")
        }
        let client = await server.connect()
        client.send(getHello)
        #expect(begun.wait())
        await server.drain()
        release.continuation.finish()
        let answer = client.receiveToEnd()
        #expect(answer.contains("Connection: close\r\n"))
        #expect(answer.hasSuffix("finished"))
        #expect(server.finished.wait())
    }

    @Test func stillAnswersAnIdleClientWhenItDrains() async throws {
        let server = try await TestServer({ $0.drainIdleGrace = 5 }, testApp)
        let client = await server.connect()
        client.send(getHello)
        _ = client.receive(until: "World!")
        await server.drain()
        client.send(getHello)
        let answer = client.receiveToEnd()
        #expect(answer.contains("Connection: close\r\n"))
        #expect(answer.hasSuffix("World!"))
        #expect(server.finished.wait())
    }

    @Test func doesNotWaitForASilentConnectionWhenItDrains() async throws {
        let server = try await TestServer({ $0.headTimeout = 3600 }, testApp)
        let silent = await server.connect()
        await server.drain(timeout: 3600)
        #expect(server.finished.wait())
        #expect(silent.receiveToEnd().isEmpty)
    }

    @Test func cancelsWhatOutlivesTheGracefulTimeout() async throws {
        let begun = Signal()
        let server = try await TestServer { _ in
            begun.signal()
            try await Task.sleep(for: .seconds(3600), clock: .loop)
            return Response("never")
        }
        let client = await server.connect()
        client.send(getHello)
        #expect(begun.wait())
        await server.drain(timeout: 0.05)
        #expect(server.finished.wait())
        #expect(!client.receiveToEnd().contains("never"))
    }

    @Test func endsAtOnceWhenToldToQuit() async throws {
        let server = try await TestServer(testApp)
        let idle = await server.connect()
        idle.send(getHello)
        _ = idle.receive(until: "World!")
        await server.quit()
        #expect(server.finished.wait())
        #expect(idle.receiveToEnd().isEmpty)
        #expect(await server.openConnections == 0)
    }

    @Test func answersRequestsThatWaitBehindABigAnswer() async throws {
        let client = try await TestServer(testApp).connect()
        client.send("GET /large HTTP/1.1\r\nHost: test\r\n\r\n" + getHello)
        client.send("GET /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        let answers = client.receiveToEnd()
        #expect(answers.components("HTTP/1.1 200 OK") == 3)
        #expect(answers.hasSuffix("World!"))
    }
}

/// Requests that are answered where the last bytes of their bodies arrive.
@Suite struct CollectedRequestTests {
    @Test func theNextRequestMayComeWithTheEndOfABody() async throws {
        let client = try await TestServer({ _ in }, application: Collecting()).connect()
        for framing in ["Content-Length: 4\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n4\r\nab"] {
            client.send("POST / HTTP/1.1\r\nHost: test\r\n\(framing)")
            await LoopTurn.pass()
            client.send((framing.hasPrefix("C") ? "cd" : "cd\r\n0\r\n\r\n") + getHello)
            #expect(client.receive(until: "<>").contains("<abcd>"))
        }
    }

    /// It stands in the memory that every connection is read into.
    @Test func aBodyThatHasComeWithItsHeadIsKeptForALateReader() async throws {
        let condition = LoopCondition()
        let server = try await TestServer { request in
            if request.path == "/late" { _ = try await condition.wait() }
            return Response(body: .bytes(try await request.body.collect(upTo: 100)))
        }
        func post(_ path: String, _ body: String) -> String {
            "POST \(path) HTTP/1.1\r\nHost: test\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        }
        let late = await server.connect(sending: post("/late", "mine"))
        while await condition.count < 1 { await LoopTurn.pass() }
        let other = await server.connect(sending: post("/soon", String(repeating: "x", count: 80)))
        #expect(other.receive(until: "xx").contains("200 OK"))
        await condition.notifyAll()
        #expect(late.receive(until: "mine").hasSuffix("\r\n\r\nmine"))
    }

    @Test func aLongBodyIsInAFile() async throws {
        let client = try await TestServer({ _ in }, application: Collecting()).connect()
        let body = String(repeating: "0123456789abcdef", count: 20_000)
        client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + body + getHello)
        #expect(client.receive(until: "<>").contains("<\(body)>"))
    }
}

enum LoopTurn {
    /// Lets the loop run once.
    static func pass() async { try? await Task.sleep(for: .milliseconds(2), clock: .loop) }
}

extension String {
    /// The number of times that a text occurs.
    func components(_ text: String) -> Int { ranges(of: text).count }
}

/// Waits for the body inside the call that begins the request.
private final class CollectsAtOnce: Application {
    @LoopActor func begin(_ exchange: Exchange) {
        exchange.collectBody(spoolAbove: 1024) { result in
            if case .failure(let error) = result { exchange.fail(status: error.statusHint) }
            exchange.taskEnded()
        }
    }
}

/// Answers with the body, in angle brackets.
private final class Collecting: Application {
    @LoopActor func begin(_ exchange: Exchange) {
        exchange.appWasCalled()
        exchange.collectBody(spoolAbove: 65_536) { result in
            let body = (try? result.get()).map(Self.bytes) ?? []
            do {
                try (Array("<".utf8) + body + Array(">".utf8)).withUnsafeBytes {
                    exchange.respond(try ResponseHead(status: 200), body: $0)
                }
            } catch { Issue.record("\(error)") }
            exchange.taskEnded()
        }
    }

    private static func bytes(_ body: CollectedBody) -> [UInt8] {
        defer { body.discard() }
        switch body {
        case .empty: return []
        case .bytes(let bytes): return bytes.array
        case .lent(let bytes): return Array(bytes)
        case .file(let file, let count):
            return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
                initialized = max(pread(file, buffer.baseAddress, count, 0), 0)
            }
        }
    }
}

/// Reads the body before the app is called, as a WSGI server does, or in the app.
private final class BodyReader: Application {
    private let collectsFirst: Bool
    private let ended: Signal

    init(_ collectsFirst: Bool, _ ended: Signal) {
        self.collectsFirst = collectsFirst
        self.ended = ended
    }

    @LoopActor func begin(_ exchange: Exchange) {
        if !collectsFirst { exchange.appWasCalled() }
        exchange.collectBody(spoolAbove: 1 << 20) { [ended] result in
            switch result {
            case .success:
                exchange.appWasCalled()
                exchange.fail()
            case .failure:
                exchange.fail(status: 400)
            }
            exchange.taskEnded()
            ended.signal()
        }
    }
}

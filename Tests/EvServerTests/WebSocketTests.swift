import EvGateway
import EvLoop
import EvServer
import EvTestSupport
import HTTPTypes
import Testing

/// WebSockets of Swift apps, in a task and in calls on the loop.
@Suite struct WebSocketTests {
    enum Form: CaseIterable { case task, loop }

    private struct Mistake: Error {}

    /// What a handler has seen, told to the test.
    @LoopActor private final class Seen {
        let ended = Signal()
        private(set) var events: [String] = []
        nonisolated init() {}

        func note(_ event: String) { events.append(event) }
        func end(_ socket: WebSocket, _ how: String) {
            events.append("\(how) \(socket.closeCode?.rawValue ?? 0) \(socket.closeReason)")
            ended.signal()
        }
    }

    /// Echoes. Of some texts it makes something else.
    private static func answer(_ request: Request, _ form: Form, _ seen: Seen) -> Response {
        switch form {
        case .task:
            return Response(webSocket: request) { socket in
                do {
                    for try await message in socket {
                        switch message {
                        case .text("return"): return
                        case .text("throw"): throw Mistake()
                        case .text("close"): await socket.close(code: 4001, reason: "why")
                        default: try await socket.send(message)
                        }
                    }
                    await seen.end(socket, "end")
                } catch is CancellationError {
                    await seen.end(socket, "cancelled: \(Task.isCancelled)")
                }
            }
        case .loop:
            return Response(webSocket: request) { socket, message in
                switch message {
                case .text("return"): socket.close()
                case .text("throw"): throw Mistake()
                case .text("close"): socket.close(code: 4001, reason: "why")
                default: #expect(socket.sendNow(message) == .sent)
                }
            } onClose: { socket in
                seen.end(socket, socket.closeCode == .abnormal ? "cancelled: true" : "end")
            }
        }
    }

    private static func server(_ form: Form, _ seen: Seen = Seen()) async throws -> TestServer {
        try await TestServer({ $0.lingerTimeout = 0.1 }) { request in Self.answer(request, form, seen) }
    }

    @Test(arguments: Form.allCases) func echoes(form: Form) async throws {
        let server = try await Self.server(form)
        // One message comes with the request itself.
        let client = await WebSocketClient(server, behind: WebSocketClient.frame(1, Array("early".utf8)))
        #expect(client.head.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
        #expect(client.head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"))
        #expect(client.frame() == .text("early"))
        for text in ["", "a", "caf\u{e9} \u{1f600}", String(repeating: "x", count: 60_000)] {
            client.send(text)
            #expect(client.frame() == .text(text))
        }
        client.send(2, [0, 255, 128])
        #expect(client.frame() == .init(opcode: 2, payload: [0, 255, 128]))
        client.client.send((0..<500).flatMap { WebSocketClient.frame(1, Array("number \($0)".utf8)) })
        for number in 0..<500 { #expect(client.frame() == .text("number \(number)")) }
    }

    @Test(arguments: Form.allCases) func learnsHowTheClientCloses(form: Form) async throws {
        let seen = Seen()
        let server = try await Self.server(form, seen)
        let client = await WebSocketClient(server)
        client.send("last")
        if form == .task { #expect(client.frame() == .text("last")) }
        client.close(4123, "bye")
        if form == .loop { #expect(client.frame() == .text("last")) }
        #expect(client.frame() == .close(4123))
        #expect(client.isAtEnd())
        seen.ended.wait()
        #expect(await seen.events == ["end 4123 bye"])
    }

    @Test(arguments: Form.allCases) func closesAsTheAppSays(form: Form) async throws {
        let seen = Seen()
        let server = try await Self.server(form, seen)
        for (text, frame) in [
            ("return", WebSocketClient.Frame.close(1000)), ("throw", .close(1011)), ("close", .close(4001, "why")),
        ] {
            let client = await WebSocketClient(server)
            client.send(text)
            client.send("too late")
            #expect(client.frame() == frame)
            client.close(1000)
            #expect(client.isAtEnd())
        }
        while await !seen.events.contains("end 4001 why") { await LoopTurn.pass() }
        await server.drain()
        #expect(server.finished.wait())
    }

    @Test(arguments: Form.allCases) func aLostClientEndsTheHandler(form: Form) async throws {
        let seen = Seen()
        let server = try await Self.server(form, seen)
        let client = await WebSocketClient(server)
        client.send("a")
        #expect(client.frame() == .text("a"))
        client.client.reset()
        seen.ended.wait()
        #expect(await seen.events == ["cancelled: true 1006 "])
        await server.drain()
        #expect(server.finished.wait())
    }

    @Test func aHandlerThatOnlySendsIsCancelledWhenItsClientCloses() async throws {
        let cancelled = Signal()
        let server = try await TestServer { request in
            Response(webSocket: request) { socket in
                try await socket.send("one")
                _ = try? await LoopCondition().wait()
                if Task.isCancelled { cancelled.signal() }
                do {
                    try await socket.send("two")
                } catch let closed as WebSocketClosed {
                    #expect(closed == WebSocketClosed(code: .goingAway))
                    cancelled.signal()
                }
            }
        }
        let client = await WebSocketClient(server)
        #expect(client.frame() == .text("one"))
        client.close(1001)
        #expect(cancelled.wait() && cancelled.wait())
        #expect(client.frame() == .close(1001))
    }

    @Test(arguments: Form.allCases) func aWorkerThatLeavesSaysSo(form: Form) async throws {
        let seen = Seen()
        let server = try await Self.server(form, seen)
        let client = await WebSocketClient(server)
        client.send("a")
        #expect(client.frame() == .text("a"))
        await server.drain()
        #expect(client.frame() == .close(1012))
        client.close(1012)
        seen.ended.wait()
        #expect(await seen.events == ["end 1012 "])
        #expect(server.finished.wait())
    }

    // MARK: the handshake

    @Test func speaksASubprotocolOfTheClients() async throws {
        let server = try await TestServer { request in
            let chosen = request.path == "/wrong" ? "v3" : request.webSocketSubprotocols.last
            return Response(webSocket: request, subprotocol: chosen, headerFields: [.retryAfter: "7"]) { _, _ in }
        }
        let fields = "Sec-WebSocket-Protocol: v1, v2\r\n"
        let client = await WebSocketClient(server, "/", fields)
        #expect(client.head.contains("\r\nSec-WebSocket-Protocol: v2\r\nRetry-After: 7\r\n"))
        let other = await WebSocketClient(server, "/wrong", fields)
        #expect(other.head.hasPrefix("HTTP/1.1 500 "))
    }

    @Test func anyOtherAnswerRefuses() async throws {
        let server = try await TestServer { request in
            Response("\(request.asksForWebSocket)", status: .forbidden)
        }
        let client = await server.connect(sending: WebSocketClient.opening() + getHello)
        #expect(client.receive(until: "false").hasPrefix("HTTP/1.1 403 Forbidden\r\n"))
    }

    @Test func anOrdinaryRequestIsToldToUpgrade() async throws {
        let server = try await Self.server(.task)
        for opening in [
            getHello,
            WebSocketClient.opening().replacing("Sec-WebSocket-Version: 13", with: "Sec-WebSocket-Version: 8"),
        ] {
            let client = await server.connect(sending: opening)
            let head = client.receive(until: "\r\n\r\n")
            #expect(head.hasPrefix("HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n"))
            #expect(head.contains("\r\nSec-WebSocket-Version: 13\r\n") && head.contains("\r\nConnection: upgrade\r\n"))
        }
    }

    // MARK: slow clients

    @Test func sendingWaitsForASlowClient() async throws {
        let (sent, piece, count) = (Seen(), [UInt8](repeating: 7, count: 60_000), 200)
        let server = try await TestServer { request in
            Response(webSocket: request) { socket in
                await withThrowingTaskGroup { group in
                    // Two that wait for room at a time.
                    for _ in 0..<2 {
                        group.addTask {
                            for _ in 0..<count {
                                try await socket.send(piece)
                                await sent.note("sent")
                            }
                        }
                    }
                }
                await sent.note("done")
            }
        }
        let client = await WebSocketClient(server)
        var before = -1
        while await sent.events.count != before {
            before = await sent.events.count
            for _ in 0..<20 { await LoopTurn.pass() }
        }
        #expect(before < 100)
        for _ in 0..<2 * count { #expect(client.frame() == .init(opcode: 2, payload: piece)) }
        #expect(client.frame() == .close(1000))
        #expect(await sent.events.count == 2 * count + 1)
    }

    @Test func messagesWaitWhileTheirAnswersAreNotTaken() async throws {
        let large = String(repeating: "x", count: 60_000)
        let seen = Seen()
        let server = try await TestServer { request in
            Response(webSocket: request) { socket, message in
                guard case .text(let text) = message else { return }
                seen.note(text)
                #expect(socket.sendNow(.text(text + large)) == .sent)
            }
        }
        let client = await WebSocketClient(server)
        client.client.send((0..<300).flatMap { WebSocketClient.frame(1, Array("\($0) ".utf8)) })
        var before = -1
        while await seen.events.count != before {
            before = await seen.events.count
            for _ in 0..<20 { await LoopTurn.pass() }
        }
        #expect((1..<100).contains(before))
        for number in 0..<300 { #expect(client.frame() == .text("\(number) " + large)) }
    }

    @Test(arguments: [true, false]) func aSlowClientOfAGroupCostsNobodyElseAnything(isClosed: Bool) async throws {
        let group = WebSocketGroup()
        let server = try await TestServer({ $0.lingerTimeout = 60 }) { request in
            Response(webSocket: request, onOpen: { group.insert($0) }, onMessage: { _, _ in })
        }
        let (quick, slow) = (await WebSocketClient(server), await WebSocketClient(server))
        #expect(await group.count == 2)
        // More than a socket takes, and then something behind the rest that waits.
        let large = WebSocketMessage.binary((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 / 251) }).encoded()
        let (small, policy) = (WebSocketMessage.text("small"), isClosed ? WebSocketGroup.SlowClients.close : .skip)
        async let whole = Self.onThread { quick.frame()?.payload.count }
        #expect(await group.send(large) == 2)
        #expect(await whole == 3_000_000)
        #expect(await group.send(small, slowClients: policy) == 1)
        #expect(quick.frame() == .text("small"))
        let late = slow.frame()?.payload
        #expect(late?.count == 3_000_000 && late?.last == UInt8(truncatingIfNeeded: 2_999_999 / 251))
        if isClosed {
            #expect(slow.frame() == .close(1013))
            slow.close(1013)
            #expect(slow.isAtEnd())
            while await group.count > 1 { await LoopTurn.pass() }
        } else {
            #expect(await group.send(small) == 2)
            #expect(slow.frame() == .text("small"))
        }
        quick.client.reset()
        while await group.count > (isClosed ? 0 : 1) { await LoopTurn.pass() }
    }

    private static func onThread<T: Sendable>(_ body: @escaping () -> T) async -> T {
        nonisolated(unsafe) let body = body
        return await withCheckedContinuation { continuation in startThread { continuation.resume(returning: body()) } }
    }
}

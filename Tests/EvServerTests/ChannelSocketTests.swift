@testable import EvGateway
import EvTestSupport
import GRIP
import HTTPCore
import HTTPTypes
import Testing

@testable import EvServer

/// WebSockets of Swift apps that listen on channels.
@Suite struct ChannelSocketTests {
    /// The path names the channels, and the query the user; a text leaves the channel of that name, and comes back.
    private static func server(_ slowClients: WebSocketGroup.SlowClients = .close) async throws -> TestServer {
        try await gripServer { request in
            let parts = request.target.split(separator: "?")
            let (channels, user) = (parts[0].dropFirst().split(separator: ","), String(parts[1]))
            return Response(
                webSocket: request,
                onOpen: { socket in
                    for channel in channels {
                        try? socket.subscribe(
                            to: String(channel), filters: ["skip-self", "var-subst"], meta: ["user": user],
                            slowClients: slowClients)
                    }
                    _ = socket.sendNow(.text("open"))
                },
                onMessage: { socket, message in
                    guard case .text(let text) = message else { return }
                    socket.unsubscribe(from: text)
                    _ = socket.sendNow(message)
                })
        }
    }

    private static func client(_ server: TestServer, _ path: String) async -> WebSocketClient {
        let client = await WebSocketClient(server, path)
        #expect(client.frame() == .text("open"))
        return client
    }

    private static func publish(_ server: TestServer, _ item: String) async throws {
        await server.publish(try Item(json: Array(item.utf8)))
    }

    @Test func itemsComeInTheirFormat() async throws {
        let server = try await Self.server()
        let client = await Self.client(server, "/a,b?ann")
        try await Self.publish(server, #"{"channel": "a", "http-stream": {"content": "of streams"}}"#)
        try await Self.publish(server, #"{"channel": "c", "ws-message": {"content": "of others"}}"#)
        try await Self.publish(server, #"{"channel": "a", "ws-message": {"action": "refresh"}}"#)
        try await Self.publish(server, #"{"channel": "a", "ws-message": {"content": "caf\u00e9"}}"#)
        try await Self.publish(server, #"{"channel": "b", "ws-message": {"content-bin": "AP8="}}"#)
        try await Self.publish(server, #"{"channel": "b", "ws-message": {"content": "now", "type": "ping"}}"#)
        #expect(client.frame() == .text("caf\u{e9}"))
        #expect(client.frame() == .init(opcode: 2, payload: [0, 255]))
        #expect(client.frame() == .init(opcode: 9, payload: Array("now".utf8)))
        client.send("a")
        #expect(client.frame() == .text("a"))
        try await Self.publish(server, #"{"channel": "a", "ws-message": {"content": "left"}}"#)
        try await Self.publish(
            server, #"{"channel": "b", "ws-message": {"action": "close", "code": 4001, "reason": "enough"}}"#)
        #expect(client.frame() == .close(4001, "enough"))
        client.close(4001)
        while await server.channels != 0 { await LoopTurn.pass() }
    }

    @Test func filtersKnowWhoListens() async throws {
        let server = try await Self.server()
        let (ann, bob) = (await Self.client(server, "/a?ann"), await Self.client(server, "/a?bob"))
        func say(_ text: String, _ more: String = "") async throws {
            try await Self.publish(
                server, #"{"channel": "a", "ws-message": {"content": "\#(text)"\#(more)}, "meta": {"sender": "ann"}}"#)
        }
        try await say("to %(user)s")
        try await say("made for others", #", "content-filters": ["build-id"]"#)
        try await say("made for %(user)s", #", "content-filters": ["var-subst"]"#)
        #expect(bob.frame() == .text("to bob"))
        #expect(bob.frame() == .text("made for bob"))
        // A name that a filter does not know keeps a message back.
        try await Self.publish(server, #"{"channel": "a", "ws-message": {"content": "%(other)s"}}"#)
        try await Self.publish(server, #"{"channel": "a", "ws-message": {"content": "all"}}"#)
        #expect(ann.frame() == .text("all") && bob.frame() == .text("all"))
    }

    @Test func aSlowClientLosesItsSocket() async throws {
        let server = try await Self.server()
        let client = await Self.client(server, "/a?slow")
        let text = String(repeating: "x", count: 60_000)
        for _ in 0..<50 { try await server.publish("a", text) }
        var frames = 0
        while let frame = client.frame() {
            guard frame == .text(text) else {
                #expect(frame == .close(1013))
                break
            }
            frames += 1
        }
        #expect((1..<50).contains(frames))
    }

    @Test func orOnlyMessages() async throws {
        let server = try await Self.server(.skip)
        let client = await Self.client(server, "/a,b?slow")
        let text = String(repeating: "x", count: 60_000)
        for _ in 0..<50 { try await server.publish("a", text) }
        // It takes what it is sent, and then there is room again.
        client.send("a")
        var frames = 0
        while let frame = client.frame(), frame == .text(text) { frames += 1 }
        #expect((1..<50).contains(frames))
        try await server.publish("b", "on")
        #expect(client.frame() == .text("on"))
    }

    @Test func whatIsNoChannelIsRefused() async throws {
        let server = try await gripServer { request in
            Response(webSocket: request) { socket in
                func refusal(
                    _ channel: String, _ filters: [String] = [], _ meta: [String: String] = [:]
                ) async -> String? {
                    do {
                        try await socket.subscribe(to: channel, filters: filters, meta: meta)
                        return nil
                    } catch {
                        return "\(error)"
                    }
                }
                #expect(await refusal("") == "the channel is empty")
                #expect(await refusal("a\nb")?.hasPrefix("the channel has a control character") == true)
                #expect(await refusal(String(repeating: "x", count: 1001))?.contains("longer than 1000") == true)
                #expect(await refusal("a", ["http-check"])?.contains("is not served") == true)
                #expect(await refusal("a", Array(repeating: "skip-self", count: 6))?.contains("too many") == true)
                #expect(await refusal("a", [], ["x": "a\u{0}"])?.contains("control character") == true)
                #expect(await refusal("a", [], ["x": String(repeating: "y", count: 5000)]) != nil)
                #expect(await channelCount(of: socket) == 0)
                for number in 0..<100 { #expect(await refusal("c\(number)") == nil) }
                #expect(await refusal("c0", ["skip-self"]) == nil)
                #expect(await refusal("one more") == "a WebSocket listens on 100 channels at most")
                await socket.unsubscribe(from: "never")
                await socket.unsubscribe(from: "c7")
                #expect(await refusal("one more") == nil)
                try await socket.send("done")
            }
        }
        let client = await WebSocketClient(server)
        #expect(client.frame() == .text("done"))
        client.close(1000)
        while await server.channels != 0 { await LoopTurn.pass() }
    }

    @LoopActor private func channelCount(of socket: WebSocket) -> Int { socket.connection.channels?.channelCount ?? -1 }

    /// Requests that may be held keep them.
    @Test func aSocketKeepsNoFieldsOfItsRequest() async throws {
        let server = try await gripServer { request in
            Response(
                webSocket: request,
                onMessage: { socket, _ in
                    _ = socket.sendNow(.text("\(socket.connection.exchange?.head.fields.count ?? -1)"))
                })
        }
        let client = await WebSocketClient(server)
        client.send("how many?")
        #expect(client.frame() == .text("0"))
    }

    @Test func withoutTheSettingThereAreNone() async throws {
        let server = try await TestServer { request in
            Response(webSocket: request) { socket in
                await #expect(throws: PublishingError.self) { try await socket.subscribe(to: "a") }
                try await socket.send("done")
            }
        }
        #expect(await WebSocketClient(server).frame() == .text("done"))
    }
}

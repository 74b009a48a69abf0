import EvGateway
import EvLoop
@testable import EvServer
import EvTestSupport
import GRIP
import HTTPTypes
import Testing

/// Requests that an app has had held by its answer's fields.
@Suite struct HoldTests {
    @Test func aMessageAnswersALongPoll() async throws {
        let server = try await gripServer(held("nothing\n", ["Grip-Hold": "response", "Grip-Channel": "news"]))
        let client = await server.connect(sending: getHello)
        await server.waitForHolds(1)
        #expect(await server.runningTasks == 0)
        try await server.publish("news", "something\n")
        let answer = client.receive(until: "something\n")
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(answer.contains("X-Own: kept\r\n") && !answer.lowercased().contains("grip-"))
        #expect(await server.holds == 0)
        // The connection goes on.
        client.send(getHello)
        await server.waitForHolds(1)
        try await server.publish("news", "again\n")
        #expect(client.receive(until: "again\n").contains("Content-Length: 6\r\n"))
    }

    @Test func anotherChannelDoesNot() async throws {
        let server = try await gripServer(held("nothing\n", ["Grip-Hold": "response", "Grip-Channel": "one, two"]))
        let client = await server.connect(sending: getHello)
        await server.waitForHolds(1)
        try await server.publish("three", "wrong\n")
        try await server.publish("two", "right\n")
        #expect(client.receive(until: "right\n").hasSuffix("\r\n\r\nright\n"))
    }

    @Test func messagesAreStreamed() async throws {
        let server = try await gripServer(held("begun\n", ["Grip-Hold": "stream", "Grip-Channel": "news"]))
        let client = await server.connect(sending: getHello)
        let head = client.receive(until: "begun\n\r\n")
        #expect(head.contains("Transfer-Encoding: chunked\r\n") && !head.lowercased().contains("grip-"))
        await server.waitForHolds(1)
        try await server.publish("news", "one\n")
        #expect(client.receive(until: "one\n\r\n") == "4\r\none\n\r\n")
        await server.publish("news", action: .close)
        #expect(client.receive(until: "0\r\n\r\n") == "0\r\n\r\n")
        #expect(await server.holds == 0)
        client.send(getHello)
        #expect(client.receive(until: "begun\n\r\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
    }

    @Test func withoutTheSettingTheAnswerIsLeftAlone() async throws {
        let server = try await TestServer(held("at once\n", ["Grip-Hold": "response", "Grip-Channel": "news"]))
        let client = await server.connect(sending: getHello)
        #expect(client.receive(until: "at once\n").contains("Grip-Channel: news\r\n"))
    }

    @Test func aBadInstructionIsAnswered502() async throws {
        let server = try await gripServer(held("", ["Grip-Hold": "tomorrow", "Grip-Channel": "news"]))
        let client = await server.connect(sending: getHello)
        let answer = client.receive(until: "origin.\n")
        #expect(answer.hasPrefix("HTTP/1.1 502 Bad Gateway\r\n"))
        #expect(answer.hasSuffix("\r\n\r\nError while proxying to origin.\n"))
    }

    @Test func aClientThatLeavesIsForgotten() async throws {
        let server = try await gripServer(held("", ["Grip-Hold": "response", "Grip-Channel": "news"]))
        var client: Client? = await server.connect(sending: getHello)
        await server.waitForHolds(1)
        client?.reset()
        client = nil
        await server.waitForHolds(0)
        #expect(await server.channels == 0)
    }

    @Test func theAppIsToldAndClientsAreNotBelieved() async throws {
        let server = try await gripServer { request in
            let fields = request.headerFields.filter { $0.name.rawName.lowercased().hasPrefix("grip") }
            return Response(fields.map { "\($0.name.rawName)=\($0.value)\n" }.joined() + "end\n")
        }
        let client = await server.connect(
            sending: "GET / HTTP/1.1\r\nHost: test\r\nGrip-Sig: mine\r\ngrip-last: x\r\nGrip_Sig: mine\r\n\r\n")
        let answer = client.receive(until: "end\n")
        #expect(!answer.contains("mine") && !answer.lowercased().contains("last"))
        #expect(answer.contains("Grip-Sig=ey") && answer.contains("Grip-Feature=status, "))
    }
}

/// An app that answers every request so.
func held(_ body: String, _ fields: [String: String]) -> RequestHandler {
    { _ in response(body, fields) }
}

func response(_ body: String, _ fields: [String: String]) -> Response {
    var made = Response(body)
    made.headerFields[.init("X-Own") ?? .eTag] = "kept"
    for (name, value) in fields { made.headerFields[.init(name) ?? .eTag] = value }
    return made
}

func gripServer(
    _ configure: @escaping (inout ServerConfiguration) -> Void = { _ in }, _ handler: @escaping RequestHandler
) async throws -> TestServer {
    try await TestServer(
        {
            $0.grip = GripConfiguration()
            configure(&$0)
        }, handler)
}

func gripServer(_ handler: @escaping RequestHandler) async throws -> TestServer {
    try await gripServer({ _ in }, handler)
}

extension TestServer {
    @LoopActor var holds: Int { worker.holds?.count ?? 0 }
    @LoopActor var channels: Int { worker.holds?.channelCount ?? 0 }
    @LoopActor var runningTasks: Int { worker.runningTasks }

    func waitForHolds(_ count: Int) async {
        let end = LoopClock().now.advanced(by: .seconds(20))
        while await holds != count {
            guard LoopClock().now < end else {
                Issue.record("not \(count) holds")
                return
            }
            await LoopTurn.pass()
        }
    }

    @LoopActor func publish(_ item: Item) { worker.holds?.publish(item) }

    func publish(_ channel: String, _ text: String, id: String? = nil, after previous: String? = nil) async throws {
        var item = try Item(channel: Array(channel.utf8), content: Array(text.utf8), isText: true)
        try item.describe(id: id.map { Array($0.utf8) }, previousID: previous.map { Array($0.utf8) }, meta: [])
        await publish(item)
    }

    func publish(_ channel: String, action: Action) async {
        var item = Item(channel: Array(channel.utf8))
        var (response, stream) = (ResponseFormat(), StreamFormat())
        (response.action, stream.action) = (action, action)
        (item.response, item.stream) = (response, stream)
        await publish(item)
    }
}

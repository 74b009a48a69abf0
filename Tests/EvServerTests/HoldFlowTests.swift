import EvGateway
import EvLoop
import EvTestSupport
import GRIP
import HTTPTypes
import Synchronization
import Testing

@testable import EvServer

/// What happens to a hold between its beginning and its end.
@Suite struct HoldFlowTests {
    @Test func aHoldGoesOnInAnotherProcess() async throws {
        let fields = ["Grip-Hold": "response", "Grip-Channel": "one; prev-id=7, two; filter=skip-self"]
        let server = try await gripServer(held("nothing\n", fields.merging(["Grip-Set-Meta": "user=\"me\""]) { $1 }))
        let client = await server.connect(sending: getHello)
        await server.waitForHolds(1)
        let packed = try #require(await server.packedHold)

        let heir = try await gripServer { _ in Response("not asked") }
        let box = Box()
        let moved = await heir.connect { transport, peer, listener, worker in
            let connection = HTTP1Connection(transport, peer, listener, worker)
            box.connection = connection
            return connection
        }
        #expect(await heir.adopt(packed, box))
        #expect(await heir.packedHold == packed)
        try await heir.publish("two", "skipped\n", meta: ["sender": "me"])
        try await heir.publish("one", "seen\n", id: "8", after: "7")
        #expect(moved.receive(until: "seen\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(await heir.holds == 0)
        client.send("")
        for end in 0..<packed.count {
            #expect(await heir.adopt(Array(packed[..<end]), box) == false)
        }
    }

    @Test func aStreamGoesOnInAnotherProcess() async throws {
        let server = try await gripServer(held("begun\n", ["Grip-Hold": "stream", "Grip-Channel": "one"]))
        let client = await server.connect(sending: getHello)
        _ = client.receive(until: "begun\n\r\n")
        await server.waitForHolds(1)
        let packed = try #require(await server.packedHold)
        let heir = try await gripServer { _ in Response("asked") }
        let box = Box()
        let moved = await heir.connect { transport, peer, listener, worker in
            let connection = HTTP1Connection(transport, peer, listener, worker)
            box.connection = connection
            return connection
        }
        #expect(await heir.adopt(packed, box))
        try await heir.publish("one", "more\n")
        #expect(moved.receive(until: "more\n\r\n") == "5\r\nmore\n\r\n")
        await heir.publish("one", action: .close)
        #expect(moved.receive(until: "0\r\n\r\n") == "0\r\n\r\n")
        moved.send(getHello)
        #expect(moved.receive(until: "asked").hasPrefix("HTTP/1.1 200 OK\r\n"))
    }

    @Test func anAppIsNotCalledAgainForEver() async throws {
        let calls = Atomic(0)
        let server = try await gripServer { _ in
            calls.add(1, ordering: .relaxed)
            return response("nothing\n", ["Grip-Hold": "response", "Grip-Channel": "news; prev-id=1"])
        }
        let client = await server.connect(sending: getHello)
        // Each of these lets the app be asked again; one that comes while it is asked does not.
        var number = 0
        while calls.load(ordering: .relaxed) < 6, number < 2000 {
            number += 1
            try await server.publish("news", "other\n", id: "b\(number)", after: "a\(number)")
            await LoopTurn.pass()
        }
        number += 1
        try await server.publish("news", "other\n", id: "b\(number)", after: "a\(number)")
        #expect(client.receive(until: "nothing\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(calls.load(ordering: .relaxed) == 6)
    }

    @Test func messagesComeInTheirOrder() async throws {
        let server = try await gripServer(held("", ["Grip-Hold": "stream", "Grip-Channel": "news"]))
        let client = await server.connect(sending: getHello)
        _ = client.receive(until: "\r\n\r\n")
        await server.waitForHolds(1)
        try await server.publish("news", "one;", id: "1")
        try await server.publish("news", "three;", id: "3", after: "2")
        try await server.publish("news", "three;", id: "3", after: "2")
        try await server.publish("news", "two;", id: "2", after: "1")
        try await server.publish("news", "four;", id: "4", after: "3")
        let text = client.receive(until: "four;").split(separator: "\r\n").filter { $0.hasSuffix(";") }
        #expect(text == ["one;", "two;", "three;", "four;"])
    }

    @Test func aClientThatReadsTooLittleLosesItsStream() async throws {
        let server = try await gripServer(held("", ["Grip-Hold": "stream", "Grip-Channel": "news"]))
        let client = await server.connect(sending: getHello)
        _ = client.receive(until: "\r\n\r\n")
        await server.waitForHolds(1)
        let text = String(repeating: "x", count: 100_000)
        for _ in 0..<20 { try await server.publish("news", text) }
        await server.waitForHolds(0)
        #expect(!client.receiveToEnd().hasSuffix("0\r\n\r\n"))
    }

    @Test func aLinkIsResolved() {
        func resolve(_ link: String) -> String? {
            LinkTarget.resolve(Array(link.utf8), against: Array("/a/b?c=d".utf8), host: Array("Host:80".utf8))
                .map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(resolve("/x?y") == "/x?y" && resolve("x") == "/a/x" && resolve("?n") == "/a/b?n")
        #expect(resolve("../x/./y") == "/x/y" && resolve("/../..") == "/" && resolve("") == "/a/b?c=d")
        #expect(resolve("http://host:80/p#f") == "/p" && resolve("//HOST:80?q") == "/?q")
        #expect(resolve("http://elsewhere/") == nil && resolve("mailto:x") == nil)
    }
}

@LoopActor private final class Box {
    nonisolated init() {}
    var connection: HTTP1Connection?
}

extension TestServer {
    @LoopActor fileprivate var packedHold: [UInt8]? { worker.holds?.all.first?.packed() }

    @LoopActor fileprivate func adopt(_ packed: [UInt8], _ box: Box) -> Bool {
        guard let connection = box.connection else { return false }
        return worker.holds?.adopt(packed, on: connection) != nil
    }

    fileprivate func publish(_ channel: String, _ text: String, meta: [String: String]) async throws {
        var item = try Item(channel: Array(channel.utf8), content: Array(text.utf8), isText: true)
        try item.describe(
            id: nil, previousID: nil,
            meta: meta.map { Field(name: Array($0.key.utf8), value: Array($0.value.utf8)) })
        await publish(item)
    }
}

// Requests that belong to another worker. All workers are in this process, and what goes between them passes through
// real sockets with copies of the descriptors.

import EvBus
import EvGateway
import EvLoop
import EvTestSupport
import Glibc
import HTTPTypes
import Testing

@testable import EvServer

/// Workers of one server; each answers with its number.
private struct Mesh {
    let servers: [TestServer]
    let slots: [ScoreboardSlot]
    let ground: BusGround

    init(
        _ count: Int, _ rule: StickyRule?, _ configure: (inout ServerConfiguration) -> Void = { _ in },
        _ handler: @escaping @Sendable (Int, Request) async throws -> Response
    ) async throws {
        let owners = try OwnerTable(buckets: 64)
        let ground = try BusGround(slots: count)
        let slots = (0..<count).map { _ in ScoreboardSlot.local() }
        var servers: [TestServer] = []
        let address = BindAddress.abstract(name: "sticky-\(getpid())-\(UInt64.random(in: 0...UInt64.max))")
        let socket = try ListeningSocket.open(address, backlog: 16)
        defer { socket.close() }
        for number in 0..<count {
            let age = UInt32(number + 1)
            (slots[number].age, slots[number].index) = (age, UInt32(number))
            ground.begin(number, age: age)
            let copy = ListeningSocket(
                fileDescriptor: fcntl(socket.fileDescriptor, F_DUPFD_CLOEXEC, 3), address: address,
                localAddress: socket.localAddress, port: 0, isUnix: true)
            servers.append(
                try await TestServer(
                    {
                        $0.sticky = rule.map { StickyConfiguration($0, owners: owners) }
                        configure(&$0)
                    }, application: SwiftApplication { try await handler(number, $0) }, listeners: [copy],
                    seat: BusSeat(ground: ground, place: number, age: age), slots: slots))
        }
        (self.servers, self.slots, self.ground) = (servers, slots, ground)
    }

    /// The body of the answer of whoever has this connection now, and its whole head.
    static func ask(_ client: Client, _ target: String, _ lines: String = "") -> (body: String, head: String) {
        client.send("GET \(target) HTTP/1.1\r\nHost: test\r\n\(lines)\r\n")
        let all = client.receive(until: "|")
        let parts = all.pieces("\r\n\r\n")
        return (parts.last ?? "", parts.first ?? "")
    }

}

extension String {
    fileprivate func pieces(_ separator: String) -> [String] {
        var parts: [String] = []
        var rest = Substring(self)
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}

@Suite struct StickyTests {
    private static func tellsClients(_ configuration: inout ServerConfiguration) {
        configuration.forwarding.fields = .client
    }

    @Test func keyThatABodyHasNamedBelongsToItsWorker() async throws {
        let mesh = try await Mesh(4, .query("sid")) { number, request in
            request.path == "/new" ? Response("0{\"sid\":\"abc\(number)\",\"x\":1}|") : Response("\(number)|")
        }
        for number in 0..<4 {
            let client = await mesh.servers[number].connect()
            #expect(Mesh.ask(client, "/new?EIO=4").body.contains("abc\(number)"))
        }
        // One connection carries requests of many, as a proxy's does.
        let client = await mesh.servers[0].connect()
        for number in [3, 1, 1, 2, 0, 3] {
            #expect(Mesh.ask(client, "/?EIO=4&sid=abc\(number)&t=1").body == "\(number)|")
        }
    }

    @Test func keyThatAFieldHasNamedBelongsToItsWorker() async throws {
        let mesh = try await Mesh(3, .header("Mcp-Session-Id")) { number, request in
            var response = Response("\(number)|")
            if request.path == "/new" {
                response.headerFields[HTTPField.Name("Mcp-Session-Id") ?? .eTag] = "s\(number)"
            }
            return response
        }
        _ = Mesh.ask(await mesh.servers[2].connect(), "/new")
        #expect(Mesh.ask(await mesh.servers[0].connect(), "/", "mcp-session-id: s2\r\n").body == "2|")
    }

    @Test func keyThatACookieHasNamedBelongsToItsWorker() async throws {
        let mesh = try await Mesh(3, .cookie("session")) { number, request in
            var response = Response("\(number)|")
            if request.path == "/new" { response.headerFields[.setCookie] = "session=v\(number); Path=/" }
            return response
        }
        _ = Mesh.ask(await mesh.servers[1].connect(), "/new")
        #expect(Mesh.ask(await mesh.servers[2].connect(), "/", "Cookie: a=b; session=v1\r\n").body == "1|")
    }

    @Test func cookieOfTheServersOwnNamesAWorker() async throws {
        let mesh = try await Mesh(3, .ownCookie) { number, _ in Response("\(number)|") }
        let first = Mesh.ask(await mesh.servers[2].connect(), "/")
        let line = try #require(first.head.pieces("\r\n").first { $0.hasPrefix("Set-Cookie: ") })
        #expect(line.contains("; Path=/; HttpOnly; SameSite=Lax") && !line.contains("Secure"))
        let cookie = line.dropFirst("Set-Cookie: ".count).prefix { $0 != ";" }
        let next = Mesh.ask(await mesh.servers[0].connect(), "/", "Cookie: \(cookie)\r\n")
        #expect(next.body == "2|")
        #expect(!next.head.contains("Set-Cookie"), "the client knows it")
        // The worker has gone: another one serves, and names itself.
        mesh.slots[2].state = .draining
        let last = Mesh.ask(await mesh.servers[0].connect(), "/", "Cookie: \(cookie)\r\n")
        #expect(last.body == "0|")
        #expect(last.head.contains("Set-Cookie"))
    }

    @Test func unknownKeysAreServedByOneWorkerEach() async throws {
        let mesh = try await Mesh(4, .query("sid")) { number, _ in Response("\(number)|") }
        var seen: Set<String> = []
        for key in 0..<32 {
            var answers: Set<String> = []
            for server in mesh.servers { answers.insert(Mesh.ask(await server.connect(), "/?sid=\(key)").body) }
            #expect(answers.count == 1)
            seen.formUnion(answers)
        }
        #expect(seen.count == 4, "the keys spread")
    }

    @Test func requestsOfAnAddressThatAProxyTellsGoToOneWorker() async throws {
        let mesh = try await Mesh(4, .address, Self.tellsClients) { number, _ in Response("\(number)|") }
        var seen: Set<String> = []
        for host in 1..<32 {
            var answers: Set<String> = []
            for server in mesh.servers {
                let line = "X-Forwarded-For: 192.0.2.\(host)\r\n"
                answers.insert(Mesh.ask(await server.connect(), "/", line).body)
            }
            #expect(answers.count == 1)
            seen.formUnion(answers)
        }
        #expect(seen.count == 4, "the addresses spread")
    }

    @Test func keyOfAWorkerThatHasGoneBelongsToNobody() async throws {
        let mesh = try await Mesh(2, .query("sid")) { number, request in
            request.path == "/new" ? Response("0{\"sid\": \"gone\"}|") : Response("\(number)|")
        }
        _ = Mesh.ask(await mesh.servers[1].connect(), "/new")
        mesh.slots[1].state = .empty
        #expect(Mesh.ask(await mesh.servers[0].connect(), "/?sid=gone").body == "0|")
    }

    @Test func keyOfAWorkerThatLivesStaysThere() async throws {
        let mesh = try await Mesh(2, .query("sid")) { number, request in
            request.path == "/new" ? Response("{\"sid\": \"own\"}|") : Response("\(number)|")
        }
        _ = Mesh.ask(await mesh.servers[1].connect(), "/new")
        _ = Mesh.ask(await mesh.servers[0].connect(), "/new")
        #expect(Mesh.ask(await mesh.servers[0].connect(), "/?sid=own").body == "1|")
        mesh.slots[1].state = .draining
        _ = Mesh.ask(await mesh.servers[0].connect(), "/new")
        mesh.slots[1].state = .ready
        #expect(Mesh.ask(await mesh.servers[1].connect(), "/?sid=own").body == "0|")
    }

    @Test func bodiesAndLaterRequestsGoWithTheConnection() async throws {
        let mesh = try await Mesh(2, .header("key")) { number, request in
            if request.path == "/new" {
                var response = Response("|")
                response.headerFields[HTTPField.Name("key") ?? .eTag] = "k"
                return response
            }
            let body = try await request.body.collect(upTo: 1 << 20)
            return Response("\(number) \(body.count)|")
        }
        _ = Mesh.ask(await mesh.servers[1].connect(), "/new")
        let client = await mesh.servers[0].connect()
        let body = String(repeating: "x", count: 100_000)
        client.send("POST / HTTP/1.1\r\nHost: test\r\nkey: k\r\nContent-Length: 100000\r\n\r\n")
        client.send(body)
        #expect(client.receive(until: "|").hasSuffix("1 100000|"))
        let request = "GET / HTTP/1.1\r\nHost: test\r\nkey: k\r\n\r\n"
        let another = await mesh.servers[0].connect(sending: request + request)
        let answers = another.receive(until: "1 0|")
        #expect(answers.contains("1 0|"))
        if !answers.dropLast(10).contains("1 0|") { #expect(another.receive(until: "1 0|").contains("1 0|")) }
    }

    @Test func pathsWithoutTheKeyAreServedWhereTheyAre() async throws {
        let mesh = try await Mesh(3, .query("sid")) { number, _ in Response("\(number)|") }
        for number in 0..<3 {
            for target in ["/", "/?t=1", "/?sid=", "/?xsid=1", "/?sid"] {
                #expect(Mesh.ask(await mesh.servers[number].connect(), target).body == "\(number)|")
            }
        }
    }
}

@Suite struct RebalanceTests {
    /// Apart from the worker's own heart, so that a slow machine does not add beats.
    @LoopActor private final class Heart {
        private let rebalance: Rebalance
        init(_ mesh: Mesh) { rebalance = Rebalance(mesh.servers[0].worker) }
        func beat(_ count: Int) { for _ in 0..<count { rebalance.beat() } }
    }

    @Test func idleConnectionsMoveWhenADifferenceLasts() async throws {
        let mesh = try await Mesh(3, nil) { number, _ in Response("\(number)|") }
        let heart = await Heart(mesh)
        var clients: [Client] = []
        for _ in 0..<90 {
            let client = await mesh.servers[0].connect()
            #expect(Mesh.ask(client, "/").body == "0|")
            clients.append(client)
        }
        await heart.beat(10)
        #expect(await mesh.servers[0].openConnections == 90, "it may pass")
        var last = 90
        while last > 30 {
            await heart.beat(1)
            // What has been sent arrives before the answer.
            _ = Mesh.ask(await mesh.servers[1].connect(), "/")
            _ = Mesh.ask(await mesh.servers[2].connect(), "/")
            last = await mesh.servers[0].openConnections
        }
        var answers: [String: Int] = [:]
        for client in clients { answers[Mesh.ask(client, "/").body, default: 0] += 1 }
        #expect(answers["0|"] == last && answers.values.allSatisfy { 25...35 ~= $0 }, "\(answers)")
        await heart.beat(30)
        #expect(await mesh.servers[0].openConnections == last)
    }
}

@Suite struct StickyKeyTests {
    private static func member(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBytes {
            StickyKey.member(Array("sid".utf8), in: $0).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    @Test func membersOfABody() {
        #expect(Self.member("0{\"sid\":\"a\"}") == "a")
        #expect(Self.member("{ \"x\" : 1, \"sid\" :\n \"a b\" }") == "a b")
        let others = [#""#, #""sid"#, #""sid""#, #""sid":"#, #""sid":""#, #""sid":"a"#, #"{"sid":1}"#]
        for text in others {
            #expect(Self.member(text) == nil, "\(text)")
        }
        #expect(Self.member("{\"sid\":\"\"}") == nil)
        #expect(Self.member("{\"sid\":\"a\\n\"}") == nil)
        #expect(Self.member(String(repeating: " ", count: 1024) + "{\"sid\":\"a\"}") == nil)
    }

    @Test func cookiesThatAResponseSets() {
        let lines = Array(
            "A: b\r\nSet-Cookie: s=1; Path=/\r\nset-cookie:  t=2\r\nSET-COOKIE: s=\r\nSet-Cookie: s=3\r\n".utf8)
        var found: [String] = []
        lines.withUnsafeBytes { lines in
            StickyKey.cookies(Array("s".utf8), setBy: lines) { found.append(String(decoding: $0, as: UTF8.self)) }
        }
        #expect(found == ["1", "3"])
    }
}

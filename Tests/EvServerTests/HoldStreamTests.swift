import EvGateway
import EvLoop
import EvTestSupport
import GRIP
import HTTPTypes
import Testing

@testable import EvServer

/// Streams whose app goes on for a while when their first bytes have left.
@Suite struct HoldStreamTests {
    private struct Mistake: Error {}

    /// `/late` writes its second part when it is told to, `/fails` has none; everything else is a stream at once.
    private static func server(_ gate: AsyncStream<Void>) async throws -> TestServer {
        try await gripServer { request in
            let fails = request.path == "/fails"
            guard fails || request.path == "/late" else {
                return response("begun;", ["Grip-Hold": "stream", "Grip-Channel": "news"])
            }
            var made = Response { writer in
                try await writer.write("begun;")
                for await _ in gate { break }
                if fails { throw Mistake() }
                try await writer.write("app;")
            }
            made.headerFields[.init("Grip-Hold") ?? .eTag] = "stream"
            made.headerFields[.init("Grip-Channel") ?? .eTag] = "news"
            return made
        }
    }

    /// The client of a stream that has the first bytes.
    private static func begun(_ path: String, of server: TestServer) async -> Client {
        let client = await server.connect(sending: "GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n")
        _ = client.receive(until: "begun;\r\n")
        return client
    }

    /// A client that has the first bytes, and another one whose stream stands: what has reached that one has come.
    private static func clients(of server: TestServer) async -> (late: Client, witness: Client) {
        let witness = await server.connect(sending: getHello)
        _ = witness.receive(until: "begun;")
        await server.waitForHolds(1)
        return (await begun("/late", of: server), witness)
    }

    @Test func whatIsPublishedBehindTheFirstBytesFollowsTheApp() async throws {
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let server = try await Self.server(gate)
        let (late, witness) = await Self.clients(of: server)
        for text in ["one;", "two;"] { try await server.publish("news", text) }
        _ = witness.receive(until: "two;")
        #expect(await server.holds == 1)
        open.finish()
        let parts = late.receive(until: "two;\r\n").split(separator: "\r\n").filter { $0.hasSuffix(";") }
        #expect(parts == ["app;", "one;", "two;"])
        await server.waitForHolds(2)
        try await server.publish("news", "three;")
        #expect(late.receive(until: "three;\r\n") == "6\r\nthree;\r\n")
    }

    @Test func moreThanIsKeptBreaksTheStreamOff() async throws {
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let server = try await Self.server(gate)
        let (late, witness) = await Self.clients(of: server)
        for number in 1...101 { try await server.publish("news", "\(number);") }
        _ = witness.receive(until: "101;")
        open.finish()
        let rest = late.receiveToEnd()
        #expect(rest.contains("app;") && !rest.contains("0\r\n\r\n"))
        #expect(await server.holds == 1)
    }

    @Test func anAppThatFailsMeanwhileHoldsNothing() async throws {
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let server = try await Self.server(gate)
        let client = await Self.begun("/fails", of: server)
        try await server.publish("news", "one;")
        open.finish()
        #expect(client.receiveToEnd() == "")
        #expect(await server.channels == 0)
    }

    @Test func aClientThatLeavesMeanwhileIsForgotten() async throws {
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let server = try await Self.server(gate)
        let late = await Self.begun("/late", of: server)
        #expect(await server.channels == 1)
        late.reset()
        while await server.channels != 0 { await LoopTurn.pass() }
        open.finish()
    }
}

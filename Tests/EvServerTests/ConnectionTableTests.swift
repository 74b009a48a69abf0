import EvGateway
import EvLoop
@testable import EvServer
import EvTestSupport
import Testing

@Suite struct ConnectionTableTests {
    private static let full: ConnectionRecord = {
        var record = ConnectionRecord(id: 12, peer: PeerAddress(parsing: "192.0.2.1") ?? PeerAddress())
        record.client = PeerAddress(parsing: "2001:db8::7")
        (record.state, record.awaited, record.since, record.limit) = (.writing, .reader, 12.5, 3)
        (record.amount, record.total, record.bytesIn, record.bytesOut) = (1, 2, 3, 4)
        (record.method, record.target, record.isCut) = (Array("GET".utf8), [0, 255, 10], true)
        record.requestID = Array("abc".utf8)
        record.listening = ListeningRecord(
            .stream, until: 99.5, names: ["a", "caf\u{e9}", "b", "c"].map { Array($0.utf8) })
        return record
    }()

    @Test func recordsSurviveTheirBytes() {
        let bare = ConnectionRecord(id: -1, peer: PeerAddress())
        var bytes: [UInt8] = []
        for record in [Self.full, bare, Self.full] { record.append(to: &bytes) }
        var rest = bytes[...]
        #expect(ConnectionRecord(taking: &rest) == Self.full)
        #expect(ConnectionRecord(taking: &rest) == bare)
        #expect(ConnectionRecord(taking: &rest) == Self.full)
        #expect(rest.isEmpty && ConnectionRecord(taking: &rest) == nil)
    }

    @Test func longNamesOfChannelsAreCutBetweenCharacters() {
        for size in 60...70 {
            let name = Array((String(repeating: "x", count: size - 60) + String(repeating: "\u{e9}", count: 30)).utf8)
            let told = ListeningRecord(.response, names: [name]).names[0]
            #expect(told.count <= 64 && String(validating: told, as: UTF8.self) != nil)
            #expect((told == name) == (name.count <= 64))
        }
    }

    @Test func bytesThatAreNoRecordAreNone() {
        var bytes: [UInt8] = []
        Self.full.append(to: &bytes)
        for count in 0..<bytes.count {
            var rest = bytes[..<count]
            #expect(ConnectionRecord(taking: &rest) == nil)
        }
        // Whatever is written into one, it is read or it is not.
        for position in bytes.indices {
            for byte in [0, 1, 127, 128, 255] as [UInt8] {
                var broken = bytes
                broken[position] = byte
                var rest = broken[...]
                _ = ConnectionRecord(taking: &rest)
                _ = readTable(broken)
            }
        }
        #expect(readTable([]) == nil)
    }

    @Test func everyConnectionIsInTheTable() async throws {
        let server = try await TestServer { _ in Response(waitingFor: LoopCondition()) { _ in Response("never") } }
        var clients: [Client] = []
        for number in 0..<1200 {
            let text =
                switch number % 3 {
                case 0: "GET /\(number) HTTP/1.1\r\nHost: test\r\n\r\n"
                case 1: "GET /"
                default: ""
                }
            clients.append(await server.connect(sending: text))
        }
        while await server.worker.requests < 400 { await LoopTurn.pass() }
        let (parts, table) = try await server.table()
        #expect(parts > 1)
        #expect(table.head.connections == 1200 && table.records.count == 1200)
        #expect(table.records.count { $0.state == .parked && $0.awaited == .news && $0.hasRequest } == 400)
        #expect(Set(table.records.compactMap(\.target)).count == 400)
        await server.quit()
    }

    @Test func tableOfTheEndsHasRoomForTheOldestAndTheNewest() async throws {
        let server = try await TestServer { _ in Response(waitingFor: LoopCondition()) { _ in Response("never") } }
        let long = String(repeating: "x", count: 4000)
        var clients: [Client] = []
        for number in 0..<300 {
            clients.append(
                await server.connect(sending: "GET /\(number)-\(long) HTTP/1.1\r\nHost: test\r\n\r\n"))
        }
        while await server.worker.requests < 300 { await LoopTurn.pass() }
        for capacity in [16_384, 2048, 300, 16] {
            let bytes = await server.ends(capacity)
            #expect(bytes.count <= capacity)
            let table = try #require(readTable(bytes))
            #expect(table.head.connections == 300)
            let targets = Set(
                table.records.compactMap { $0.target.map { String(decoding: $0, as: UTF8.self).prefix { $0 != "-" } } })
            if capacity >= 300 { #expect(targets.contains("/0")) }
            if capacity >= 2048 { #expect(targets.contains("/299")) }
            if capacity == 16_384 { #expect(targets.count == 40 && table.records.allSatisfy(\.isCut)) }
        }
        await server.quit()
    }
}

extension TestServer {
    @LoopActor fileprivate func table() throws -> (parts: Int, (head: TableHead, records: [ConnectionRecord])) {
        let table = ConnectionTable(of: worker)
        var bytes: [UInt8] = []
        var parts = 0
        while !table.isAtEnd {
            bytes += table.next()
            parts += 1
        }
        return (parts, try #require(readTable(bytes)))
    }

    @LoopActor fileprivate func ends(_ capacity: Int) -> [UInt8] { worker.tableOfEnds(capacity: capacity) }
}

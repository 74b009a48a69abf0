@testable import EvAdmin
import EvLoop
import EvServer
import JSONText
import Testing

@Suite struct ConnectionJSONTests {
    private func text(_ record: ConnectionRecord, at now: Double = 100) -> String {
        var json = JSONWriter()
        json.object { $0.write(record, now) }
        return String(decoding: json.bytes, as: UTF8.self)
    }

    private func record(_ state: RequestState, _ awaited: ConnectionRecord.Awaited) -> ConnectionRecord {
        var record = ConnectionRecord(id: 7, peer: PeerAddress())
        (record.state, record.awaited) = (state, awaited)
        return record
    }

    @Test func aConnectionWithoutARequest() {
        var record = record(.idle, .nextRequest)
        (record.since, record.limit) = (97.5, 5)
        #expect(
            text(record)
                == #"{"id":7,"peer":"unix","client":null,"state":"idle","since":2.500,"method":null,"target":null,"#
                + #""request_id":null,"bytes_in":null,"bytes_out":null,"#
                + #""waits_for":"the next request, 2 of at most 5 s","listens":null}"#)
    }

    @Test func aRequest() throws {
        var record = record(.reading, .body)
        record.peer = try #require(PeerAddress(parsing: "2001:db8::1"))
        record.client = try #require(PeerAddress(parsing: "192.0.2.7"))
        (record.method, record.target) = (Array("POST".utf8), Array("/a?b=c".utf8))
        (record.amount, record.total, record.bytesIn, record.bytesOut) = (1_234_567, 12_345_678, 1, 2)
        #expect(
            text(record)
                == #"{"id":7,"peer":"2001:db8::1","client":"192.0.2.7","state":"reading","since":null,"#
                + #""method":"POST","target":"/a?b=c","request_id":null,"bytes_in":1,"bytes_out":2,"#
                + #""waits_for":"the body, 1,234,567 of 12,345,678 bytes have come","listens":null}"#)
    }

    @Test func whatClientsSendIsEscaped() {
        var record = record(.app, .app)
        record.method = Array("GET".utf8)
        record.target = Array("/\u{1b}[2J\"\\<b>\u{9b}\u{2028}".utf8) + [0xff, 0]
        record.isCut = true
        let escaped = #"/\u001b[2J\"\\\u003cb\u003e\u009b\u2028"# + "\u{fffd}" + #"\u0000"# + "\u{2026}"
        #expect(text(record).contains("\"target\":\"\(escaped)\""))
    }

    @Test(arguments: [
        (0, "0"), (7, "7"), (999, "999"), (1000, "1,000"), (65_536, "65,536"), (1_000_000, "1,000,000"),
        (UInt64.max, "18,446,744,073,709,551,615"),
    ]) func digitsAreGrouped(_ number: UInt64, _ text: String) {
        #expect(number.grouped == text)
    }

    @Test func aHeldRequestTellsItsChannels() {
        var record = record(.held, .published)
        #expect(record.waitsFor(100) == "a message on its channels")
        record.listening = ListeningRecord(
            .response, until: 112.6, names: ["a", "b\u{1b}", "c", "d"].map { Array($0.utf8) })
        #expect(record.waitsFor(100) == "a message on a, b\u{1b}, c and 1 more channel, for 12 s more")
        #expect(record.waitsFor(200).hasSuffix(", for 0 s more"))
        let listens = #""listens":{"mode":"response","left":12.600,"channels":["a","b\u001b","c"],"count":4}"#
        #expect(text(record).hasSuffix(listens + "}"))
    }

    @Test func timesStayInsideTheirLimits() {
        var record = record(.reading, .head)
        (record.since, record.limit) = (200, 15)
        #expect(record.waitsFor(100) == "the head, 0 of at most 15 s")
        #expect(record.waitsFor(1e9) == "the head, 15 of at most 15 s")
        record.limit = 0.5
        #expect(record.waitsFor(100) == "the head, 0 of at most 0.5 s")
        record.limit = nil
        #expect(record.waitsFor(100) == "the head")
    }
}

import EvLoop
import Glibc
import Testing

@Suite struct ScoreboardTests {
    @Test func keepsEachFieldOfEachSlotApart() throws {
        let board = try Scoreboard(capacity: 3)
        #expect(board.count == 3)
        let slot = board[1]
        slot.heartbeat = 12.5
        slot.state = .draining
        slot.open = 1
        slot.active = 2
        slot.idle = 3
        slot.requests = 1 << 40
        slot.dropped = 6
        slot.isAccepting = true
        slot.processIdentifier = 4
        slot.age = 5
        let again = board[1]
        #expect(again.heartbeat == 12.5 && again.state == .draining && again.requests == 1 << 40)
        #expect(again.dropped == 6)
        #expect(again.open == 1 && again.active == 2 && again.idle == 3)
        #expect(again.isAccepting && again.processIdentifier == 4 && again.age == 5)
        for other in [board[0], board[2]] {
            #expect(other.heartbeat == 0 && other.state == .empty && other.requests == 0 && !other.isAccepting)
        }
    }

    @Test func isEmptyAfterReset() {
        let slot = ScoreboardSlot.local()
        slot.state = .ready
        slot.requests = 7
        slot.dropped = 1
        set(slot, "GET /", 1)
        slot.reset()
        #expect(slot.state == .empty && slot.requests == 0 && slot.dropped == 0 && slot.currentRequest == nil)
    }

    @Test func keepsTheRequestAndWhenItBegan() throws {
        let slot = ScoreboardSlot.local()
        #expect(slot.currentRequest == nil && slot.longestRequest == nil)
        set(slot, "GET /a-long-path-of-more-than-eight-bytes", 2.5)
        let request = try #require(slot.currentRequest)
        #expect(request.line == "GET /a-long-path-of-more-than-eight-bytes" && request.startedAt == 2.5)
        set(slot, "GET /b", 3)
        #expect(slot.currentRequest?.line == "GET /b")
        #expect(slot.longestRequest == nil)
        slot.clearCurrentRequest()
        #expect(slot.currentRequest == nil)
    }

    @Test func cutsALongLine() {
        let slot = ScoreboardSlot.local()
        set(slot, String(repeating: "x", count: 161), 1)
        #expect(slot.currentRequest?.line == String(repeating: "x", count: 160))
    }

    @Test func repairsBytesThatAreNotText() {
        let slot = ScoreboardSlot.local()
        let bytes: [UInt8] = [0x47, 0xff, 0x00, 0x0a]
        bytes.withUnsafeBytes { slot.setLongestRequest($0, startedAt: 1) }
        #expect(slot.longestRequest?.line == "G\u{fffd}\u{0}\n")
    }

    @Test func neverShowsHalfOfOneLineAndHalfOfAnother() throws {
        let slot = ScoreboardSlot.local()
        let writer = Writer(slot)
        try writer.start()
        var seen = 0
        while seen < 100_000 {
            guard let (line, startedAt) = slot.currentRequest else { continue }
            seen += 1
            let first = try #require(line.utf8.first)
            let isWhole = line.utf8.allSatisfy { $0 == first } && line.utf8.count == (first == 0x61 ? 160 : 40)
            guard isWhole, startedAt == (first == 0x61 ? 1 : 2) else {
                Issue.record("torn: \(line) at \(startedAt)")
                break
            }
        }
        writer.stop()
    }

    private func set(_ slot: ScoreboardSlot, _ line: String, _ startedAt: Double) {
        var line = line
        line.withUTF8 { slot.setCurrentRequest(UnsafeRawBufferPointer($0), startedAt: startedAt) }
    }
}

/// Writes two lines in turn on its own thread, as a worker does in its process.
private final class Writer {
    private let slot: ScoreboardSlot
    private let stopSlot = ScoreboardSlot.local()
    private var thread = pthread_t()

    init(_ slot: ScoreboardSlot) { self.slot = slot }

    func start() throws {
        let context = Unmanaged.passRetained(self).toOpaque()
        let code = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Writer>.fromOpaque(context).takeRetainedValue().write()
                return nil
            }, context)
        try #require(code == 0)
    }

    private func write() {
        let first = [UInt8](repeating: 0x61, count: 160)
        let second = [UInt8](repeating: 0x62, count: 40)
        while !stopSlot.isAccepting {
            first.withUnsafeBytes { slot.setCurrentRequest($0, startedAt: 1) }
            second.withUnsafeBytes { slot.setCurrentRequest($0, startedAt: 2) }
        }
    }

    func stop() {
        stopSlot.isAccepting = true
        pthread_join(thread, nil)
    }
}

// A subscriber that keeps what it gets, and the ground for several buses in one process.
import EvBus
import EvLoop
import EvTestSupport

@LoopActor
final class Recorder: BusSubscriber {
    private(set) var messages: [BusMessage] = []
    private var waiting: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []

    var texts: [String] { messages.map { String(decoding: $0.payload, as: UTF8.self) } }

    func received(_ message: BusMessage) {
        messages.append(message)
        for (count, continuation) in waiting where messages.count >= count { continuation.resume() }
        waiting.removeAll { messages.count >= $0.count }
    }

    /// Returns when it has this many messages.
    func wait(for count: Int) async {
        guard messages.count < count else { return }
        await withCheckedContinuation { waiting.append((count, $0)) }
    }
}

/// Members of one server that live in one process.
@LoopActor
struct Members {
    let ground: BusGround
    let buses: [Bus]

    init(_ count: Int) throws {
        SharedLoop.ensure()
        ground = try BusGround(slots: count)
        let loop = try SharedLoop.current
        let ground = ground
        buses = (0..<count).map { place in
            ground.begin(place, age: UInt32(place + 1))
            return Bus(loop, seat: BusSeat(ground: ground, place: place, age: UInt32(place + 1)))
        }
    }

    subscript(index: Int) -> Bus { buses[index] }

    func close() { for bus in buses { bus.close() } }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

extension Bus {
    /// Returns when everything that was published before has been handled here.
    func flushed(limit: Double = 10) async -> Bool {
        await withCheckedContinuation { continuation in flush(limit: limit) { continuation.resume(returning: $0) } }
    }

    func handoverBegun(to place: Int) async -> Bool {
        await withCheckedContinuation { continuation in
            beginHandover(to: place, limit: 10) { continuation.resume(returning: $0) }
        }
    }
}

/// A process of which only the shared memory is known.
@LoopActor
struct StillMember {
    let ground: BusGround
    let place: Int

    init(_ ground: BusGround, place: Int) {
        self.ground = ground
        self.place = place
    }

    func join(isPublishing: Bool) { ground.pretend(place, isPublishing: isPublishing) }
}

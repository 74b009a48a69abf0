// A receiver that does not read costs the others a bounded amount of memory and no time, and knows what it has lost.
import EvBus
import EvLoop
import EvTestSupport
import Glibc
import Testing

@Suite(.serialized)
struct SlowReceiverTests {
    init() { SharedLoop.ensure() }

    @Test(arguments: [2000, 20_000, 200_000])
    func itsMessagesAreDroppedAndCounted(size: Int) async throws { try await flood(size) }

    @Test func aSubscriberThatTakesLongKeepsNothingElseFromTheLoop() async throws { try await slowDelivery() }

    @LoopActor private func slowDelivery() async throws {
        let members = try Members(2)
        defer { members.close() }
        let timer = Timer(try SharedLoop.current)
        let slow = Slow(timer)
        members[1].subscribe(bytes("c"), slow)
        members[1].pause()
        // Each in a packet of its own.
        for _ in 0..<5 {
            members[0].publish(bytes("c"), bytes("m"))
            #expect(await members[0].flushed())
        }
        members[1].resume()
        #expect(await members[1].flushed())
        #expect(slow.count == 5 && timer.firedAfter.map { $0 < 5 } == true, "\(String(describing: timer.firedAfter))")
    }

    @LoopActor private final class Timer {
        private let loop: EventLoop
        private var watcher: TimerWatcher?
        private(set) var firedAfter: Int?

        init(_ loop: EventLoop) { self.loop = loop }

        /// - Parameter count: how many messages have come when it fires.
        func start(_ count: @escaping @LoopActor () -> Int) {
            guard watcher == nil else { return }
            watcher = TimerWatcher(loop) { [unowned self] in LoopActor.assumeIsolated { firedAfter = count() } }
            watcher?.start(after: 0)
        }
    }

    @LoopActor private final class Slow: BusSubscriber {
        private let timer: Timer
        private(set) var count = 0

        init(_ timer: Timer) { self.timer = timer }

        func received(_ message: BusMessage) {
            count += 1
            timer.start { [unowned self] in count }
            let end = EventLoop.monotonicNow() + 0.01
            while EventLoop.monotonicNow() < end {}
        }
    }

    @LoopActor private func flood(_ size: Int) async throws {
        let members = try Members(3)
        defer { members.close() }
        let (slow, fast) = (Recorder(), Recorder())
        members[1].subscribe(bytes("c"), slow)
        members[2].subscribe(bytes("c"), fast)
        members[1].pause()
        let count = max(100, 14_000_000 / (size + 100))
        let blank = [UInt8](repeating: 0x20, count: size)
        var sent = 0
        while sent < count {
            for _ in 0..<max(1, min(200, 2_000_000 / size)) {
                let number = bytes("\(sent)")
                var payload = blank
                payload.replaceSubrange(..<number.count, with: number)
                members[0].publish(bytes("c"), payload)
                sent += 1
            }
            await fast.wait(for: sent)
        }
        #expect(members[0].outboxBytes <= 9 << 20)
        #expect(members[0].statistics.dropped > 0)
        var gaps = 0
        members[1].gapObservers.append { gaps += $0.count ?? 0 }
        members[1].resume()
        members[0].publish(bytes("c"), bytes("last"))
        #expect(await members[1].flushed())
        #expect(slow.messages.count + gaps == sent + 1)
        #expect(gaps == members[0].statistics.dropped)
        #expect(members[0].outboxBytes == 0)
        let numbers = slow.messages.compactMap { message in
            Int(String(decoding: message.payload.prefix { $0 != 0x20 }, as: UTF8.self))
        }
        #expect(numbers == numbers.sorted())
        #expect(Set(numbers).count == numbers.count)
    }
}

import EvBus
import EvLoop
import EvTestSupport
import Glibc
import Testing

@Suite(.serialized)
struct BusTests {
    init() { SharedLoop.ensure() }

    @LoopActor @Test func aProcessWithoutSiblingsHearsItself() async throws {
        let bus = Bus(try SharedLoop.current)
        let recorder = Recorder()
        #expect(bus.subscribe(bytes("c"), recorder))
        #expect(!bus.subscribe(bytes("c"), recorder))
        bus.publish(bytes("c"), bytes("one"))
        bus.publish(bytes("other"), bytes("not this"))
        #expect(recorder.messages.isEmpty, "not inside of the call")
        bus.publish(bytes("c"), bytes("two"))
        await recorder.wait(for: 2)
        #expect(recorder.texts == ["one", "two"])
        #expect(bus.unsubscribe(bytes("c"), recorder))
        #expect(!bus.unsubscribe(bytes("c"), recorder))
        bus.publish(bytes("c"), bytes("three"))
        #expect(await bus.flushed())
        #expect(recorder.messages.count == 2)
        #expect(bus.channelCount == 0)
    }

    @LoopActor @Test func messagesReachThoseWhoWantThemInOrder() async throws {
        let members = try Members(4)
        defer { members.close() }
        let (first, second, elsewhere) = (Recorder(), Recorder(), Recorder())
        members[1].subscribe(bytes("news"), first)
        members[2].subscribe(bytes("news"), second)
        members[3].subscribe(bytes("weather"), elsewhere)
        for number in 0..<5000 { members[0].publish(bytes("news"), bytes("\(number)")) }
        await first.wait(for: 5000)
        await second.wait(for: 5000)
        #expect(first.texts == (0..<5000).map { "\($0)" })
        #expect(second.texts == first.texts)
        #expect(members[3].statistics.received == 0)
        #expect(first.messages[0].sender == members[0].sender)
        #expect(members[0].statistics.sent == 10_000)
    }

    @LoopActor @Test func whoUnsubscribesDuringDeliveryGetsNoMore() async throws {
        let bus = Bus(try SharedLoop.current)
        let other = Recorder()
        @LoopActor final class Leaver: BusSubscriber {
            var others: [Recorder] = []
            let bus: Bus
            init(_ bus: Bus) { self.bus = bus }
            func received(_ message: BusMessage) {
                for other in others { bus.unsubscribe(message.channel, other) }
            }
        }
        let leaver = Leaver(bus)
        leaver.others = [other]
        bus.subscribe(bytes("c"), leaver)
        bus.subscribe(bytes("c"), other)
        bus.publish(bytes("c"), [])
        #expect(await bus.flushed())
        #expect(other.messages.isEmpty)
    }

    @Test(arguments: [32_000, 32_743, 32_744, 33_000, 1 << 20, Bus.largestPayload])
    func largeMessagesPassAndKeepTheirOrder(size: Int) async throws { try await passes(size) }

    @LoopActor private func passes(_ size: Int) async throws {
        let members = try Members(3)
        defer { members.close() }
        let recorders = [Recorder(), Recorder()]
        for (index, recorder) in recorders.enumerated() { members[index + 1].subscribe(bytes("c"), recorder) }
        let large = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        members[0].publish(bytes("c"), bytes("before"))
        #expect(members[0].publish(bytes("c"), large))
        members[0].publish(bytes("c"), bytes("after"))
        for recorder in recorders {
            await recorder.wait(for: 3)
            #expect(recorder.messages.map(\.payload.count) == [6, size, 5])
            #expect(recorder.messages[1].payload == large)
        }
    }

    @LoopActor @Test func whatIsTooLongIsRefused() throws {
        let bus = Bus(try SharedLoop.current)
        #expect(!bus.publish([], []))
        #expect(!bus.publish([UInt8](repeating: 1, count: Bus.longestChannel + 1), []))
        #expect(!bus.publish([1], [UInt8](repeating: 0, count: Bus.largestPayload + 1)))
        #expect(!bus.subscribe([], Recorder()))
        #expect(bus.publish([UInt8](repeating: 0, count: Bus.longestChannel), []))
    }

    @LoopActor @Test func aSuccessorThrowsAwayWhatItsPredecessorWasSent() async throws {
        let ground = try BusGround(slots: 2)
        let loop = try SharedLoop.current
        ground.begin(0, age: 1)
        ground.begin(1, age: 2)
        let publisher = Bus(loop, seat: BusSeat(ground: ground, place: 0, age: 1))
        let former = Bus(loop, seat: BusSeat(ground: ground, place: 1, age: 2))
        former.subscribe(bytes("c"), Recorder())
        former.close()
        ground.end(1)
        ground.begin(1, age: 3)
        let successor = Bus(loop, seat: BusSeat(ground: ground, place: 1, age: 3))
        let recorder = Recorder()
        successor.subscribe(bytes("c"), recorder)
        publisher.publish(bytes("c"), bytes("new"))
        await recorder.wait(for: 1)
        #expect(recorder.texts == ["new"])
        #expect(successor.statistics.lost == 0)
        publisher.close()
        successor.close()
    }

    @LoopActor @Test func everythingReachesATap() async throws {
        let members = try Members(2)
        defer { members.close() }
        var seen: [String] = []
        members[1].tapAll { seen.append(String(decoding: $0.channel + $0.payload, as: UTF8.self)) }
        members[0].publish(bytes("a"), bytes("1"))
        members[0].publish(bytes("b"), bytes("2"))
        #expect(await members[1].flushed())
        #expect(seen == ["a1", "b2"])
        members[1].publish(bytes("c"), bytes("3"))
        #expect(await members[1].flushed())
        #expect(seen == ["a1", "b2", "c3"])
    }
}

// Parcels, flushes, and subscribers that move.
import EvBus
import EvLoop
import EvTestSupport
import Glibc
import Testing

@Suite(.serialized)
struct HandoverTests {
    init() { SharedLoop.ensure() }

    @LoopActor @Test func parcelsBringDescriptorsInOrderWithMessages() async throws {
        let members = try Members(2)
        defer { members.close() }
        var log: [String] = []
        let recorder = Recorder()
        members[1].subscribe(bytes("c"), recorder)
        members[1].onParcel = { parcel in
            log.append("\(recorder.messages.count) \(String(decoding: parcel.bytes, as: UTF8.self).prefix(8))")
            for descriptor in parcel.descriptors {
                var byte: UInt8 = 0x21
                #expect(write(descriptor, &byte, 1) == 1)
                close(descriptor)
            }
        }
        var ends: [Int32] = [0, 0]
        pipe(&ends)
        var others: [Int32] = [0, 0]
        pipe(&others)
        members[0].publish(bytes("c"), bytes("1"))
        #expect(members[0].send(parcel: bytes("parcel"), descriptors: [ends[1], others[1]], to: 1))
        members[0].publish(bytes("c"), bytes("2"))
        let large = bytes("large   ") + [UInt8](repeating: 0, count: 100_000)
        #expect(members[0].send(parcel: large, descriptors: [], to: 1))
        #expect(await members[1].flushed())
        #expect(log == ["1 parcel", "2 large   "])
        for end in [ends[0], others[0]] {
            var bytes: [UInt8] = [0, 0]
            #expect(read(end, &bytes, 2) == 1)
            #expect(read(end, &bytes, 2) == 0, "the sender has closed its copy")
            close(end)
        }
    }

    @LoopActor @Test func parcelsOfAProcessThatHasEndedAreItsSuccessors() async throws {
        let ground = try BusGround(slots: 2)
        let loop = try SharedLoop.current
        ground.begin(0, age: 1)
        ground.begin(1, age: 2)
        let giver = Bus(loop, seat: BusSeat(ground: ground, place: 0, age: 1))
        // A process that is killed before it reads.
        let killed = Bus(loop, seat: BusSeat(ground: ground, place: 1, age: 2))
        var ends: [Int32] = [0, 0]
        pipe(&ends)
        #expect(giver.send(parcel: bytes("x"), descriptors: [ends[1]], to: 1))
        killed.close()
        ground.end(1)
        #expect(!giver.send(parcel: bytes("y"), descriptors: [], to: 1))
        ground.begin(1, age: 3)
        let successor = Bus(loop, seat: BusSeat(ground: ground, place: 1, age: 3))
        var parcels: [BusParcel] = []
        successor.onParcel = { parcels.append($0) }
        #expect(await successor.flushed())
        #expect(parcels.map(\.bytes) == [bytes("x")])
        for parcel in parcels { for descriptor in parcel.descriptors { close(descriptor) } }
        var byte: UInt8 = 0
        #expect(read(ends[0], &byte, 1) == 0)
        // When nobody follows, the master closes it.
        var others: [Int32] = [0, 0]
        pipe(&others)
        #expect(giver.send(parcel: bytes("z"), descriptors: [others[1]], to: 1))
        successor.close()
        ground.end(1)
        ground.sweep(1)
        #expect(read(others[0], &byte, 1) == 0)
        for end in [ends[0], others[0]] { close(end) }
        giver.close()
    }

    @LoopActor @Test func aFlushComesBehindWhatWasPublishedInThisTurn() async throws {
        let members = try Members(3)
        defer { members.close() }
        let recorder = Recorder()
        members[0].subscribe(bytes("c"), recorder)
        for number in 0..<3000 {
            members[1].publish(bytes("c"), bytes("a\(number)"))
            members[2].publish(bytes("c"), bytes("b\(number)"))
        }
        #expect(await members[0].flushed())
        #expect(recorder.messages.count == 6000)
    }

    @LoopActor @Test func aFlushDoesNotWaitForever() async throws {
        let members = try Members(2)
        defer { members.close() }
        // Somebody who stands still in the middle of publishing.
        members.ground.begin(2, age: 9)
        let still = StillMember(members.ground, place: 2)
        still.join(isPublishing: true)
        #expect(await members[0].flushed(limit: 0.05) == false)
        still.join(isPublishing: false)
        #expect(await members[0].flushed(limit: 10))
    }

    @LoopActor @Test func whoMovesMissesNothingAndGetsNothingTwice() async throws {
        let members = try Members(3)
        defer { members.close() }
        let (giver, heir, publisher) = (members[0], members[1], members[2])
        let channel = bytes("moving")
        let moved = Recorder()
        giver.subscribe(channel, moved)
        var isPublishing = true
        var published = 0
        func publishMore() {
            for _ in 0..<7 {
                publisher.publish(channel, bytes("\(published)"))
                published += 1
            }
            if isPublishing { LoopExecutor.shared.later { LoopActor.assumeIsolated { publishMore() } } }
        }
        publishMore()
        await moved.wait(for: 100)
        #expect(await giver.handoverBegun(to: heir.seat?.place ?? -1))
        await moved.wait(for: moved.messages.count + 100)
        // It moves in the middle of the stream.
        giver.unsubscribe(channel, moved)
        let position = try #require(BusPosition(giver.position.bytes))
        #expect(position == giver.position)
        let seen = moved.messages.count
        #expect(await heir.flushed())
        let (missed, isAll) = heir.replay([channel], after: position)
        #expect(isAll)
        heir.subscribe(channel, moved)
        for message in missed { moved.received(message) }
        giver.endHandover(to: 1)
        await moved.wait(for: seen + 500)
        isPublishing = false
        #expect(await heir.flushed())
        #expect(moved.texts == (0..<moved.messages.count).map { "\($0)" })
        // What came to the heir for the giver's sake comes no more.
        heir.unsubscribe(channel, moved)
        let before = heir.statistics.received
        publisher.publish(channel, bytes("late"))
        #expect(await heir.flushed())
        #expect(heir.statistics.received == before)
    }
}

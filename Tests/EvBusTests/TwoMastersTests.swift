// The ground of one master that another one joins.
import EvLoop
import EvTestSupport
import Glibc
import Testing

@testable import EvBus

@Suite(.serialized)
struct TwoMastersTests {
    init() { SharedLoop.ensure() }

    /// As a program that was executed: with copies of the descriptors.
    private static func join(_ ground: BusGround) throws -> BusGround? {
        let passed = try #require(ground.passed)
        return BusGround(joining: dup(passed.file), ends: passed.ends.map { dup($0) }, side: ground.side)
    }

    @LoopActor @Test func processesOfBothReachEachOther() async throws {
        let loop = try SharedLoop.current
        let former = try BusGround(slots: 2)
        let next = try #require(try Self.join(former))
        #expect((former.firstPlace, former.adminPlace, former.otherPlaces) == (0, 2, 3..<6))
        #expect((next.firstPlace, next.adminPlace, next.otherPlaces) == (3, 5, 0..<3))
        let buses = [(former, former.firstPlace), (former, former.adminPlace), (next, next.firstPlace + 1)].map {
            ground, place in
            let age = ground.nextAge()
            ground.begin(place, age: age)
            return Bus(loop, seat: BusSeat(ground: ground, place: place, age: age))
        }
        #expect(buses.map(\.sender.age) == [1, 2, 3], "one count for all")
        let recorders = buses.map { bus in
            let recorder = Recorder()
            bus.subscribe(bytes("c"), recorder)
            return recorder
        }
        for (number, bus) in buses.enumerated() { bus.publish(bytes("c"), bytes("\(number)")) }
        for recorder in recorders {
            await recorder.wait(for: 3)
            #expect(recorder.texts.sorted() == ["0", "1", "2"])
        }
        // A subscriber goes to the other master's process.
        #expect(await buses[0].handoverBegun(to: 4))
        let position = buses[0].position
        buses[1].publish(bytes("c"), bytes("3"))
        #expect(await buses[2].flushed())
        #expect(buses[2].replay([bytes("c")], after: position).messages.map(\.payload) == [bytes("3")])
        for bus in buses { bus.close() }
    }

    @Test func joinsOnlyWhereNobodyIsAndNothingElse() throws {
        let ground = try BusGround(slots: 2)
        ground.begin(4, age: 1)
        #expect(ground.passed == nil, "a process of another master lives")
        #expect(ground.hasEnded(4))
        ground.end(4)
        let passed = try #require(ground.passed)
        let files = [dup(passed.file), dup(passed.ends[0]), try #require(Self.file(like: passed.file))]
        #expect(BusGround(joining: files[0], ends: Array(passed.ends.dropLast(4)), side: 0) == nil, "another size")
        #expect(BusGround(joining: files[0], ends: passed.ends, side: 2) == nil)
        #expect(BusGround(joining: files[1], ends: passed.ends, side: 0) == nil, "a socket")
        #expect(BusGround(joining: files[2], ends: passed.ends, side: 0) == nil, "a file that may become shorter")
        for file in files { close(file) }
        #expect(try BusGround(slots: 2, masters: 1).passed == nil)
        #expect(BusGround.masters(slots: 64, limit: 524) == 2 && BusGround.masters(slots: 64, limit: 523) == 1)
    }

    /// Of the same size, on a disk.
    private static func file(like other: Int32) -> Int32? {
        guard let stream = tmpfile() else { return nil }
        defer { fclose(stream) }
        let file = dup(fileno(stream))
        return ftruncate(file, lseek(other, 0, SEEK_END)) == 0 ? file : nil
    }
}

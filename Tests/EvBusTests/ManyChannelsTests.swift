// Very many channels, and names that somebody has chosen to do harm.
import EvBus
import EvLoop
import EvTestSupport
import Testing

@Suite(.serialized)
struct ManyChannelsTests {
    init() { SharedLoop.ensure() }

    @LoopActor @Test func manyComeAndGo() async throws {
        let members = try Members(2)
        defer { members.close() }
        let recorder = Recorder()
        let count = 100_000
        for number in 0..<count { members[1].subscribe(bytes("channel \(number)"), recorder) }
        #expect(members[1].channelCount == count)
        for number in stride(from: 0, to: count, by: 997) { members[0].publish(bytes("channel \(number)"), [1]) }
        #expect(await members[1].flushed())
        #expect(recorder.messages.count == (count + 996) / 997)
        for number in 0..<count { #expect(members[1].unsubscribe(bytes("channel \(number)"), recorder)) }
        #expect(members[1].channelCount == 0)
        let before = members[1].statistics.received
        for number in 0..<100 { members[0].publish(bytes("channel \(number)"), [1]) }
        #expect(await members[1].flushed())
        #expect(members[1].statistics.received == before, "the filter is empty again")
    }

    @LoopActor @Test func namesAreBytesAndNothingElse() async throws {
        let members = try Members(2)
        defer { members.close() }
        let names: [[UInt8]] = [
            [0], [0, 0], [0xff, 0xfe], bytes("a\r\nb"), bytes("*"), bytes("a "), bytes("a"), bytes("A"), bytes("../a"),
            [UInt8](repeating: 0, count: Bus.longestChannel), [UInt8](repeating: 0, count: Bus.longestChannel - 1),
        ]
        let recorders = names.map { _ in Recorder() }
        for (name, recorder) in zip(names, recorders) { members[1].subscribe(name, recorder) }
        for (index, name) in names.enumerated() { members[0].publish(name, [UInt8(index)]) }
        #expect(await members[1].flushed())
        for (index, recorder) in recorders.enumerated() {
            #expect(recorder.messages.map(\.payload) == [[UInt8(index)]])
            #expect(recorder.messages.first?.channel == names[index])
        }
    }
}

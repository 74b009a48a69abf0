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

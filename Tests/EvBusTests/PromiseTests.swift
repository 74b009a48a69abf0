// A subscription of another thread is heard from its call on, although the loop makes it later.
import EvLoop
import EvTestSupport
import Glibc
import Testing

@testable import EvBus

@Suite(.serialized)
struct PromiseTests {
    init() { SharedLoop.ensure() }

    /// As an app's thread subscribes, and returns when it has.
    @LoopActor private func subscribe(_ bus: Bus, _ channel: String, _ recorder: Recorder) {
        let (name, called) = (bytes(channel), Signal())
        startThread {
            bus.promise(name)
            LoopExecutor.shared.submit {
                LoopActor.assumeIsolated {
                    bus.subscribe(name, recorder)
                    bus.keepPromise()
                }
            }
            called.signal()
        }
        called.wait()
    }

    @LoopActor @Test func whatIsPublishedBehindTheCallComes() async throws {
        let members = try Members(2)
        defer { members.close() }
        let recorder = Recorder()
        // The loop has not seen the subscription yet: it runs this.
        subscribe(members[1], "c", recorder)
        members[0].publish(bytes("c"), bytes("first"))
        #expect(await members[1].flushed())
        #expect(recorder.texts == ["first"])
    }

    @LoopActor @Test func whatComesBeforeTheLoopHasLookedWaitsForIt() async throws {
        let members = try Members(2)
        defer { members.close() }
        let (recorder, other) = (Recorder(), members[1])
        other.promise(bytes("c"))
        members[0].publish(bytes("c"), bytes("first"))
        // Behind what is sent at the end of this turn, and what other threads have submitted is not looked at again
        // before the loop reads.
        LoopExecutor.shared.later { LoopActor.assumeIsolated { self.subscribe(other, "c", recorder) } }
        #expect(await members[1].flushed())
        #expect(recorder.texts == ["first"])
        other.keepPromise()
    }

    @LoopActor @Test func aBitIsKeptForAPromiseAndTakenAwayAfterIt() async throws {
        let members = try Members(2)
        defer { members.close() }
        let (recorder, bus) = (Recorder(), members[1])
        func isWanted() -> Bool {
            members.ground.wants(1, ChannelTable.bucket(bus.hash(bytes("c"))))
        }
        bus.subscribe(bytes("c"), recorder)
        bus.promise(bytes("c"))
        bus.unsubscribe(bytes("c"), recorder)
        #expect(isWanted())
        bus.keepPromise()
        #expect(!isWanted(), "nobody has come")
        bus.promise(bytes("c"))
        bus.subscribe(bytes("c"), recorder)
        bus.unsubscribe(bytes("c"), recorder)
        bus.subscribe(bytes("c"), recorder)
        bus.keepPromise()
        #expect(isWanted())
    }
}

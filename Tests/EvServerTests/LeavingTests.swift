import EvLoop
import Synchronization
import Testing

@testable import EvGateway

@Suite struct LeavingTests {
    @Test func appKnowsThatItsWorkerLeavesOrSoonWill() {
        let slot = ScoreboardSlot.local()
        Gateway.slot.withLock { $0 = slot }
        defer { Gateway.slot.withLock { $0 = nil } }
        for (state, isLeaving) in [(ScoreboardSlot.State.ready, false), (.leaving, true), (.draining, true)] {
            slot.state = state
            #expect(Gateway.isLeaving == isLeaving)
        }
    }
}

// What the master counts, and what it measures once a second: the numbers of `Board.master`, in this order.

import EvLoop

package enum MasterCounter: Int, CaseIterable, Sendable {
    /// Workers that were started.
    case boots
    // Workers that have ended, by cause. One that has asked for a successor has counted that itself.
    case died, hung, bootFailed, forkFailed
    /// With exit code 0, and without having finished.
    case exited
    /// Somebody else has told it to end.
    case told
    case reloaded
    /// There are to be fewer workers.
    case scaled
    case reloads, reloadsFailed
    case adminStarts
    // Gauges.
    case target
    /// Connections that wait to be accepted, and how many may; `unknown` without a TCP socket.
    case waiting, waitingLimit

    package static let unknown = UInt64.max
}

/// The counters of a state.
package struct MasterTally: Equatable, Sendable {
    private var numbers: [MasterCounter: UInt64] = [:]

    mutating func count(_ counter: MasterCounter) { numbers[counter, default: 0] += 1 }

    package subscript(counter: MasterCounter) -> UInt64 { numbers[counter] ?? 0 }

    func publish(to counters: SharedCounters) {
        for (counter, number) in numbers { counters[counter.rawValue] = number }
    }
}

extension Supervisor {
    /// Shows the admin process what has been counted; with each tick, what is measured too.
    func publishCounters(isTick: Bool) {
        guard let counters = admin.board?.master else { return }
        state.tally.publish(to: counters)
        counters[MasterCounter.target.rawValue] = UInt64(state.target)
        guard isTick else { return }
        let queues = listeners?.addresses.compactMap(\.acceptQueue) ?? []
        counters[MasterCounter.waiting.rawValue] =
            queues.isEmpty ? MasterCounter.unknown : UInt64(queues.reduce(0) { $0 + $1.waiting })
        counters[MasterCounter.waitingLimit.rawValue] =
            queues.isEmpty ? MasterCounter.unknown : UInt64(queues.reduce(0) { $0 + $1.limit })
    }
}

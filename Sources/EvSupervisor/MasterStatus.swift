// What the master says of itself in shared memory. It stands in the last places of `Board.master`, whose others count.
package import EvLoop

package struct MasterStatus: Equatable, Sendable {
    package enum Phase: UInt64, Sendable { case starting, serving, reloading, leaving, stopping }

    package var phase = Phase.starting
    /// The number of workers that there are to be.
    package var target = 0
    /// Connections that wait to be accepted; nil if no kernel tells.
    package var waiting: Int?
    /// When the master was started, in seconds since 1970.
    package var started = 0.0

    private enum Place: Int { case phase = 252, target, waiting, started }

    package init() {}

    package init(_ counters: SharedCounters) {
        func number(_ place: Place) -> UInt64 { counters[place.rawValue] }
        phase = Phase(rawValue: number(.phase)) ?? .starting
        target = Int(clamping: number(.target))
        // One more than there are, so that the zero of the beginning says that none are known.
        waiting = number(.waiting) == 0 ? nil : Int(clamping: number(.waiting) - 1)
        started = Double(number(.started)) / 1000
    }

    package func write(to counters: SharedCounters) {
        counters[Place.phase.rawValue] = phase.rawValue
        counters[Place.target.rawValue] = UInt64(clamping: target)
        counters[Place.waiting.rawValue] = waiting.map { UInt64(clamping: $0) + 1 } ?? 0
        counters[Place.started.rawValue] = UInt64(max(0, started * 1000))
    }
}

extension Supervisor {
    /// Says how it is, where an admin process may read it.
    func publishStatus(isTick: Bool) {
        guard let counters = admin.board?.master else { return }
        let service = ServiceStatus(state)
        status.phase =
            switch service.phase {
            case .starting: .starting
            case .serving: state.leavingUntil == nil ? .serving : .leaving
            case .reloading: .reloading
            case .stopping: .stopping
            }
        status.target = state.target
        if isTick { status.waiting = waitingConnections }
        status.write(to: counters)
    }
}

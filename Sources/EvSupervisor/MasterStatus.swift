// What the master says of itself in shared memory beside its counters, in the last places of `Board.master`.
package import EvLoop

package struct MasterStatus: Equatable, Sendable {
    package enum Phase: UInt64, Sendable { case starting, serving, reloading, leaving, stopping }

    package var phase = Phase.starting
    /// When the master was started, in seconds since 1970.
    package var started = 0.0

    private enum Place: Int { case phase = 254, started }

    package init() {}

    package init(_ counters: SharedCounters) {
        phase = Phase(rawValue: counters[Place.phase.rawValue]) ?? .starting
        started = Double(counters[Place.started.rawValue]) / 1000
    }

    package func write(to counters: SharedCounters) {
        counters[Place.phase.rawValue] = phase.rawValue
        counters[Place.started.rawValue] = UInt64(max(0, started * 1000))
    }
}

extension Supervisor {
    /// Says how it is, where an admin process may read it.
    func publishStatus() {
        guard let counters = admin.board?.master else { return }
        status.phase =
            switch ServiceStatus(state).phase {
            case .starting: .starting
            case .serving: state.leavingUntil == nil ? .serving : .leaving
            case .reloading: .reloading
            case .stopping: .stopping
            }
        status.write(to: counters)
    }
}

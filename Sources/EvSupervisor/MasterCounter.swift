// What the master counts, and what it says of itself: the numbers of `Board.master`, in this order. Workers that have
// ended stand behind them, by cause.

package import EvLoop

package enum MasterCounter: Int, CaseIterable, Sendable {
    /// Workers that were started, and that could not be.
    case boots, forkFailed
    case reloads, reloadsFailed
    case adminStarts
    // Gauges.
    case target
    /// Connections that wait to be accepted, and how many may; `unknown` without a TCP socket.
    case waiting, waitingLimit
    /// Of `MasterStatus`.
    case phase
    /// Milliseconds since 1970.
    case started

    package static let unknown = UInt64.max
}

extension EndCause {
    /// Where workers that have ended for this cause are counted.
    package var place: Int { MasterCounter.allCases.count + (Self.allCases.firstIndex(of: self) ?? 0) }
}

/// The counters of a state.
package struct MasterTally: Equatable, Sendable {
    private var numbers: [Int: UInt64] = [:]

    mutating func count(_ counter: MasterCounter) { numbers[counter.rawValue, default: 0] += 1 }
    mutating func count(_ cause: EndCause) { numbers[cause.place, default: 0] += 1 }

    package subscript(counter: MasterCounter) -> UInt64 { numbers[counter.rawValue] ?? 0 }
    package subscript(cause: EndCause) -> UInt64 { numbers[cause.place] ?? 0 }

    func publish(to counters: SharedCounters) {
        for (place, number) in numbers { counters[place] = number }
    }
}

/// How the master is.
package struct MasterStatus: Equatable, Sendable {
    package enum Phase: UInt64, Sendable { case starting, serving, reloading, leaving, stopping }

    package var phase = Phase.starting
    /// When it was started, in seconds since 1970.
    package var started = 0.0

    package init() {}

    package init(_ counters: SharedCounters) {
        phase = Phase(rawValue: counters[MasterCounter.phase.rawValue]) ?? .starting
        started = Double(counters[MasterCounter.started.rawValue]) / 1000
    }

    package func write(to counters: SharedCounters) {
        counters[MasterCounter.phase.rawValue] = phase.rawValue
        counters[MasterCounter.started.rawValue] = UInt64(max(0, started * 1000))
    }
}

extension Supervisor {
    /// Shows the admin process what has been counted and how the master is; with each tick, what is measured too.
    func publishCounters(isTick: Bool) {
        guard let counters = admin.board?.master else { return }
        func publish(_ counter: MasterCounter, _ number: Int?) {
            counters[counter.rawValue] = number.map { UInt64(clamping: $0) } ?? MasterCounter.unknown
        }
        state.tally.publish(to: counters)
        var status = MasterStatus()
        status.started = started
        status.phase =
            switch ServiceStatus(state).phase {
            case .starting: .starting
            case .serving: state.leavingUntil == nil ? .serving : .leaving
            case .reloading: .reloading
            case .stopping: .stopping
            }
        status.write(to: counters)
        publish(.target, state.target)
        guard isTick else { return }
        let queue = acceptQueue
        publish(.waiting, queue?.waiting)
        publish(.waitingLimit, queue?.limit)
    }
}

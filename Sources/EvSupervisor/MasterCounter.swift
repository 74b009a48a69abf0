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

/// What the master says of itself.
package struct MasterStatus: Equatable, Sendable {
    package enum Phase: UInt64, Sendable { case starting, serving, reloading, leaving, stopping }

    package var phase = Phase.starting
    /// The number of workers that there are to be.
    package var target = 0
    /// Connections that wait to be accepted; nil if no kernel tells.
    package var waiting: Int?
    /// For how many there is room; nil as before.
    package var waitingLimit: Int?
    /// When the master was started, in seconds since 1970.
    package var started = 0.0

    package init() {}

    package init(_ counters: SharedCounters) {
        func number(_ counter: MasterCounter) -> UInt64 { counters[counter.rawValue] }
        func known(_ counter: MasterCounter) -> Int? {
            number(counter) == MasterCounter.unknown ? nil : Int(clamping: number(counter))
        }
        phase = Phase(rawValue: number(.phase)) ?? .starting
        target = Int(clamping: number(.target))
        waiting = known(.waiting)
        waitingLimit = known(.waitingLimit)
        started = Double(number(.started)) / 1000
    }

    package func write(to counters: SharedCounters) {
        func write(_ number: UInt64, _ counter: MasterCounter) { counters[counter.rawValue] = number }
        write(phase.rawValue, .phase)
        write(UInt64(clamping: target), .target)
        write(waiting.map { UInt64(clamping: $0) } ?? MasterCounter.unknown, .waiting)
        write(waitingLimit.map { UInt64(clamping: $0) } ?? MasterCounter.unknown, .waitingLimit)
        write(UInt64(max(0, started * 1000)), .started)
    }
}

extension Supervisor {
    /// Shows the admin process what has been counted and how the master is; with each tick, what is measured too.
    func publishCounters(isTick: Bool) {
        guard let counters = admin.board?.master else { return }
        state.tally.publish(to: counters)
        status.started = started
        status.phase =
            switch ServiceStatus(state).phase {
            case .starting: .starting
            case .serving: state.leavingUntil == nil ? .serving : .leaving
            case .reloading: .reloading
            case .stopping: .stopping
            }
        status.target = state.target
        if isTick {
            let queues = listeners?.addresses.compactMap(\.acceptQueue) ?? []
            status.waiting = queues.isEmpty ? nil : queues.reduce(0) { $0 + $1.waiting }
            status.waitingLimit = queues.isEmpty ? nil : queues.reduce(0) { $0 + $1.limit }
        }
        status.write(to: counters)
    }
}

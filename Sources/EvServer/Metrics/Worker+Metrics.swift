// What a worker counts. Law: it costs a request a handful of additions, and one reading of the clock where somebody
// reads the numbers; a connection nothing.

import EvBus
import EvLoop

extension Worker {
    /// When a request began whose head is complete now. Where latencies are measured that is the beginning of the turn,
    /// from which on the request has waited for the loop.
    var requestTime: Double {
        if measuresTime { return EventLoop.monotonicNow() }
        return isMeasured ? Counted.turnBegan : EventLoop.coarseNow()
    }

    /// The response has ended, or its client has left.
    ///
    /// - Parameter status: for the log, which has one for each request.
    @inline(__always)
    func requestEnded(_ exchange: Exchange, status: Int) {
        accessLog?.append(exchange, status: status, bodyBytes: exchange.bodySent)
        // A WebSocket was counted when it began.
        guard exchange.isForApp, status != 101 else { return }
        Counted.add(at: Counter.responses + (exchange.headWasSent ? Int(UInt32(truncatingIfNeeded: status) / 100) : 0))
        if isMeasured { Counted.recordTime(since: exchange.startedAt, at: Counter.duration) }
    }

    /// A head that is not served has its answer.
    func noteRefusal(_ reason: Refusal, status: Int) {
        Counted.add(at: Counter.responses + status / 100)
        Counted.add(at: Counter.refusals + reason.rawValue)
    }

    /// - Parameter phase: nil for an end that is nobody's loss.
    func noteDisconnect(_ phase: DisconnectPhase?) {
        if let phase, !isQuitting { Counted.add(at: Counter.disconnects + phase.rawValue) }
    }

    /// Begins to measure the time of the loop.
    func beginMetrics() {
        guard isMeasured else { return }
        turns = TurnMeter(loop)
    }

    private func writeBus(_ counters: SharedCounters) {
        let statistics = bus.statistics
        for (index, number) in [
            (Counter.busPublished, statistics.published), (Counter.busSent, statistics.sent),
            (Counter.busReceived, statistics.received), (Counter.busDelivered, statistics.delivered),
            (Counter.busDropped, statistics.dropped), (Counter.busLost, statistics.lost),
            (Counter.busGaps, statistics.gaps), (Counter.busChannels, bus.channelCount),
            (Counter.busOutbox, bus.outboxBytes),
        ] {
            counters[index] = UInt64(number)
        }
    }

    /// Once a second.
    func writeGauges() {
        let counters = Counted.counters
        let states: KeyValuePairs<ConnectionState, [Wait]> = [
            .reading: [.handshake, .head], .body: [.body], .idle: [.keepAlive], .active: [.active, .held, .halfClose],
            .webSocket: [.ping, .pong], .closing: [.linger],
        ]
        for (state, waits) in states {
            counters[Counter.connections + state.rawValue] = UInt64(waits.reduce(0) { $0 + deadlines.count(of: $1) })
        }
        if let pool = application.threadsInUse {
            counters[Counter.poolThreads] = UInt64(pool.threads)
            counters[Counter.poolBusy] = UInt64(pool.busy)
            counters[Counter.poolQueued] = UInt64(pool.queued)
        }
        writeBus(counters)
        holds?.writeGauges()
        turns?.beat(counters)
    }
}

extension Exchange {
    /// Ends a request that the app is not called for.
    func turnAway(_ reason: Refusal, status: Int) {
        Counted.add(at: Counter.refusals + reason.rawValue)
        fail(status: status)
        taskEnded()
    }
}

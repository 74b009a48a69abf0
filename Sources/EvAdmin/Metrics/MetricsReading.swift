// What the shared memory says at one moment, as families of metrics: what is counted over all workers, and what each of
// them does now.

import EvLoop
import EvServer
import EvSupervisor

@LoopActor
struct MetricsReading {
    /// Over all workers that there have been.
    private(set) var sums = [UInt64](repeating: 0, count: SharedCounters.count)
    private let master: [UInt64]
    /// The workers, by the value of the label `worker`: a place's number, or `other`.
    let workers: [(label: String, worker: ServerLink.Worker)]
    private let now = EventLoop.monotonicNow()

    init(_ link: ServerLink) {
        let (former, slots) = link.board.read()
        for numbers in [former] + slots {
            for index in 0..<Counter.gauges { sums[index] &+= numbers[index] }
        }
        master = link.board.master.all
        workers = Self.labelled(link.workers)
    }

    /// The worker that serves at a place has the place's number; a successor that boots, and those that are about to
    /// end, are told together.
    private static func labelled(_ all: [ServerLink.Worker]) -> [(label: String, worker: ServerLink.Worker)] {
        let places = Dictionary(grouping: all) { $0.identity.index }
        let holders = places.mapValues { workers in
            let serving = workers.first { $0.slot.state == .ready || $0.slot.state == .leaving }
            return (serving ?? workers.last)?.identity.pid
        }
        return all.map { worker in
            (holders[worker.identity.index] == worker.identity.pid ? "\(worker.identity.index)" : "other", worker)
        }.sorted { $0.label != "other" && $1.label == "other" }
    }

    // MARK: families

    func writeRequests(to text: inout MetricsText, workerClass: String) {
        text.family("evgateway_requests", .counter, "Requests that have ended, by the class of their status.")
        for (index, code) in ["none", "1xx", "2xx", "3xx", "4xx", "5xx"].enumerated() {
            // Clients take what is above for a 5xx (RFC 9110 section 15).
            let range = Counter.responses + index...Counter.responses + (index == 5 ? 9 : index)
            text.sample(["code": code, "worker_class": workerClass], .count(sums[range].reduce(0, &+)))
        }
        gauge(&text, "evgateway_requests_in_flight", "Requests whose app has not ended.") { UInt64($0.slot.active) }
        text.family("evgateway_requests_held", .gauge, "Requests that are held by GRIP, at the last sign of life.")
        for (label, workers) in byLabel {
            for (mode, index) in [("response", Counter.heldResponses), ("stream", Counter.heldStreams)] {
                let count = workers.reduce(UInt64(0)) { $0 &+ $1.report.counters[index] }
                text.sample(["worker": label, "mode": mode], .count(count))
            }
        }
        gauge(&text, "evgateway_channels", "Channels that somebody listens on.") {
            $0.report.counters[Counter.heldChannels]
        }
        text.family("evgateway_channel_messages", .counter, "Messages on channels, once for each who listens.")
        text.sample(["result": "delivered"], .count(sums[Counter.itemsDelivered]))
        text.sample(["result": "dropped"], .count(sums[Counter.itemsLost]))
        counter(
            &text, "evgateway_channel_items", Counter.itemsReceived, "Messages that came to workers that listen.")
        gauge(&text, "evgateway_requests_parked", "Requests that wait for a condition, without a task.") {
            $0.report.counters[Counter.parked]
        }
        histogram(
            &text, "evgateway_request_duration_seconds", Counter.duration,
            "From the turn of the loop that has read the head to the end of the response.")
        histogram(
            &text, "evgateway_request_queue_seconds", Counter.queueing,
            "From the turn of the loop that has read the head to the first line of the app.")
        counter(&text, "evgateway_requests_dropped", Counter.dropped, "Requests whose client left before the app ran.")
        counter(&text, "evgateway_request_timeouts", Counter.overdue, "Requests given up at their deadline, with 504.")
        text.family("evgateway_requests_refused", .counter, "Requests that were answered without the app, by reason.")
        for reason in Refusal.allCases {
            text.sample(["reason": reason.label], .count(sums[Counter.refusals + reason.rawValue]))
        }
        text.family("evgateway_disconnects", .counter, "Clients that left, by what was going on.")
        for phase in DisconnectPhase.allCases {
            text.sample(["phase": phase.label], .count(sums[Counter.disconnects + phase.rawValue]))
        }
        counter(&text, "evgateway_health_checks", Counter.healthChecks, "Requests for a health path.")
    }

    func writeConnections(to text: inout MetricsText) {
        counter(&text, "evgateway_connections_accepted", Counter.accepted, "Connections that were accepted.")
        gauge(&text, "evgateway_open_connections", "Connections that are open.") { UInt64($0.slot.open) }
        text.family("evgateway_connections", .gauge, "Connections by what they do, at the last sign of life.")
        for (label, workers) in byLabel {
            for state in ConnectionState.allCases {
                let count = workers.reduce(UInt64(0)) {
                    $0 &+ $1.report.counters[Counter.connections + state.rawValue]
                }
                text.sample(["worker": label, "state": state.label], .count(count))
            }
        }
        counter(&text, "evgateway_received_bytes", Counter.bytesReceived, "Bytes read from clients.")
        counter(&text, "evgateway_sent_bytes", Counter.bytesSent, "Bytes given out for clients.")
        counter(
            &text, "evgateway_write_timeouts", Counter.writeTimeouts,
            "Connections that were closed because their client read nothing.")
        text.family(
            "evgateway_moved_connections", .counter, "Connections that went from a worker to another one.")
        text.sample(["direction": "out"], .count(sums[Counter.movedOut]))
        text.sample(["direction": "in"], .count(sums[Counter.movedIn]))
        counter(
            &text, "evgateway_sticky_moves", Counter.movedToOwner,
            "Of those, with a request that belongs to another worker (--sticky).")
        counter(&text, "evgateway_sticky_keys", Counter.keysLearned, "Keys of --sticky that responses have named.")
        counter(
            &text, "evgateway_sticky_keys_replaced", Counter.keysReplaced,
            "Keys of --sticky that had to make room for others.")
        text.family("evgateway_websocket_messages", .counter, "Messages of WebSockets.")
        text.sample(["direction": "received"], .count(sums[Counter.messagesReceived]))
        text.sample(["direction": "sent"], .count(sums[Counter.messagesSent]))
    }

    func writeLoops(to text: inout MetricsText) {
        histogram(
            &text, "evgateway_loop_lag_seconds", Counter.lag, "How late the timer was that fires once a second.")
        text.family(
            "evgateway_loop_lag_longest_seconds", .gauge, "The longest time in which a loop served nobody else.")
        for (label, workers) in byLabel {
            let longest = workers.map { $0.report.counters[Counter.longestLag] }.max() ?? 0
            text.sample(["worker": label], .nanoseconds(longest))
        }
        text.family("evgateway_loop_busy_seconds", .counter, "Time in which loops did not wait for events.")
        text.sample(.nanoseconds(sums[Counter.busy]))
        text.family("evgateway_worker_silence_seconds", .gauge, "Since the last sign of life.")
        for (label, workers) in byLabel {
            text.sample(["worker": label], .number(max(0, workers.map { now - $0.slot.heartbeat }.max() ?? 0)))
        }
        gauge(&text, "evgateway_pool_threads", "Threads of the app.") { $0.report.counters[Counter.poolThreads] }
        gauge(&text, "evgateway_pool_threads_busy", "Threads that serve a request.") {
            $0.report.counters[Counter.poolBusy]
        }
        gauge(&text, "evgateway_pool_queue", "Requests that wait for a thread.") {
            $0.report.counters[Counter.poolQueued]
        }
        counter(&text, "evgateway_log_lines_lost", Counter.lostLines, "Lines of logs that could not be written.")
    }

    func writeServer(to text: inout MetricsText) {
        text.family("evgateway_workers", .gauge, "Workers by state.")
        for state in [ScoreboardSlot.State.booting, .ready, .leaving, .draining] {
            text.sample(
                ["state": "\(state)"], .count(UInt64(workers.count { $0.worker.slot.state == state })))
        }
        text.family("evgateway_workers_target", .gauge, "Workers that there are to be.", .count(of(.target)))
        text.family("evgateway_worker_boots", .counter, "Workers that were started.", .count(of(.boots)))
        text.family("evgateway_worker_restarts", .counter, "Workers that ended while the server went on, by cause.")
        for cause in EndCause.allCases { text.sample(["cause": cause.rawValue], .count(master[cause.place])) }
        text.family(
            "evgateway_worker_fork_failures", .counter, "Workers that could not be started.", .count(of(.forkFailed)))
        text.family("evgateway_reloads", .counter, "Reloads, by what has come of them.")
        text.sample(["result": "succeeded"], .count(of(.reloads)))
        text.sample(["result": "failed"], .count(of(.reloadsFailed)))
        text.family("evgateway_admin_starts", .counter, "Starts of the admin process.", .count(of(.adminStarts)))
        if of(.waiting) != MasterCounter.unknown {
            text.family(
                "evgateway_accept_queue", .gauge, "Connections that wait to be accepted.", .count(of(.waiting)))
            text.family(
                "evgateway_accept_queue_limit", .gauge, "For how many connections there is room to wait.",
                .count(of(.waitingLimit)))
        }
        guard let failures = NetworkFigures.listenFailures() else { return }
        text.family(
            "evgateway_listen_overflows", .counter,
            "Connections that found an accept queue full, of any listener in this network namespace.",
            .count(failures.overflows))
        text.family(
            "evgateway_listen_drops", .counter,
            "Connections that were not accepted, of any listener in this network namespace.", .count(failures.drops))
    }

    // MARK: parts

    private func of(_ counter: MasterCounter) -> UInt64 { master[counter.rawValue] }

    /// The workers of each label, in the order of their places.
    var byLabel: [(label: String, workers: [ServerLink.Worker])] {
        var groups: [(label: String, workers: [ServerLink.Worker])] = []
        for (label, worker) in workers {
            if groups.last?.label == label {
                groups[groups.count - 1].workers.append(worker)
            } else {
                groups.append((label, [worker]))
            }
        }
        return groups
    }

    func counter(_ text: inout MetricsText, _ name: StaticString, _ index: Int, _ help: StaticString) {
        text.family(name, .counter, help, .count(sums[index]))
    }

    func histogram(_ text: inout MetricsText, _ name: StaticString, _ index: Int, _ help: StaticString) {
        text.family(name, .histogram, help)
        text.histogram(sums[index..<(index + SharedHistogram.count)])
    }

    func gauge(
        _ text: inout MetricsText, _ name: StaticString, _ help: StaticString,
        _ value: (ServerLink.Worker) -> UInt64
    ) {
        text.family(name, .gauge, help)
        for (label, workers) in byLabel {
            text.sample(["worker": label], .count(workers.reduce(0) { $0 &+ value($1) }))
        }
    }
}

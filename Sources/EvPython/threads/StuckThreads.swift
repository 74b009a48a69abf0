// Threads that never come back: when no thread has finished a request for `--timeout` seconds and requests wait, the
// worker asks to be replaced, with the stacks of all threads in the log.

import CPythonBridge
import CThreadPool
import EvHost
import EvLoop
import EvServer
import Glibc
import Logging

/// Measures for how long requests have waited without one being taken from the queue.
struct QueueStandstill {
    /// A longer time between two looks means that this process stood still itself; the rest of it does not count.
    private static let longestStep = 2.0

    /// Seconds.
    let limit: Double
    private var taken: UInt64 = 0
    private var isWaiting = false
    private var lasted = 0.0
    private var lastLook = 0.0

    init(limit: Double) { self.limit = limit }

    /// Returns true if the queue has stood still for as long as the limit.
    /// - Parameters:
    ///   - sockets: threads that a WebSocket holds, which may last.
    ///   - now: monotonic seconds.
    mutating func look(_ state: evg_pool_state, sockets: Int, at now: Double) -> Bool {
        let step = min(max(0, now - lastLook), Self.longestStep)
        lastLook = now
        let mayBeStuck = state.queued > 0 && Int(state.busy) > sockets
        lasted = isWaiting && mayBeStuck && state.taken == taken ? lasted + step : 0
        isWaiting = mayBeStuck
        taken = state.taken
        return lasted >= limit
    }
}

/// Looks at a pool's queue regularly.
@LoopActor
final class StuckThreads {
    private let pool: OpaquePointer
    private let worker: WorkerEnvironment
    private var standstill: QueueStandstill
    private var timer: TimerWatcher?
    private let sockets: () -> Int
    private var hasWarned = false

    /// - Parameters:
    ///   - limit: seconds, more than 0.
    ///   - sockets: how many threads a WebSocket holds.
    init(
        _ pool: OpaquePointer, limit: Double, _ loop: EventLoop, _ worker: WorkerEnvironment,
        sockets: @escaping () -> Int
    ) {
        self.pool = pool
        self.worker = worker
        self.sockets = sockets
        standstill = QueueStandstill(limit: limit)
        let timer = TimerWatcher(loop) { [unowned self] in LoopActor.assumeIsolated { self.look() } }
        self.timer = timer
        let period = min(1, limit / 4)
        timer.start(after: period, every: period)
    }

    private func look() {
        let state = evg_pool_now(pool)
        let sockets = sockets()
        warn(of: state, sockets)
        guard standstill.look(state, sockets: sockets, at: EventLoop.monotonicNow()) else { return }
        timer?.stop()
        let limit = standstill.limit == standstill.limit.rounded() ? "\(Int(standstill.limit))" : "\(standstill.limit)"
        worker.logger.error(
            """
            No thread has finished a request for \(limit) s: the worker is replaced (pid: \(getpid())). \
            The stacks of its threads follow
            """,
            metadata: ["busy": "\(state.busy)", "waiting": "\(state.queued)"])
        nameRequests()
        if !evg_py_threads_write_stacks() { worker.logger.error("The stacks cannot be written") }
        worker.replaceWorker()
    }

    /// Which they serve, those first that have run longest.
    private func nameRequests() {
        let served = ThreadsApplication.served.sorted { $0.startedAt < $1.startedAt }
        for exchange in served.prefix(Self.mostNamed) {
            worker.logger.error("A thread serves \(RequestSummary(exchange, runs: true).text)")
        }
        if served.count > Self.mostNamed {
            worker.logger.error("\(served.count - Self.mostNamed) more requests are served by threads")
        }
    }

    private static let mostNamed = 10

    /// Once, until a thread is free again.
    private func warn(of state: evg_pool_state, _ sockets: Int) {
        guard state.queued > 0, sockets > 0, sockets >= Int(state.threads) else {
            if state.queued == 0 { hasWarned = false }
            return
        }
        guard !hasWarned else { return }
        hasWarned = true
        worker.logger.warning(
            "Requests wait, because each thread serves a WebSocket: more --threads, or -k gevent, would serve them",
            metadata: ["threads": "\(state.threads)", "waiting": "\(state.queued)"])
    }
}

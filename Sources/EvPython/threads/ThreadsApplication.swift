// A WSGI callable on a pool of Python threads (worker class `threads`). Law: the loop reads bodies before a thread is
// taken and writes what threads hand over; it never takes Python's lock and never waits for a thread.

import CPythonBridge
import CThreadPool
import EvHost
import EvLoop
import EvServer
import EvSettings
import Glibc
import HTTPCore
import Logging

extension PythonHost {
    @LoopActor func loadThreads(
        _ configuration: GatewayConfiguration, _ worker: WorkerEnvironment
    ) throws(ApplicationError) -> LoadedApplication {
        try load(configuration)
        // The loop's thread is inside Python only until the loop runs.
        servesOnThreads = true
        var options = evg_py_pool_options(
            threads: Int32(clamping: configuration.threads), mark: 65_536, log: worker.errorLog.fileDescriptor)
        guard let loop = LoopExecutor.shared.boundLoop, let pool = evg_py_threads_start(&options) else {
            throw ApplicationError("the threads cannot be started", exitCode: ApplicationError.bootFailure)
        }
        let application = ThreadsApplication(configuration, loop, pool, worker)
        return LoadedApplication(
            application: application,
            description: "WSGI app \(configuration.application ?? ""), on \(Self.text(configuration.threads))")
    }

    private static func text(_ threads: Int) -> String { threads == 1 ? "one thread" : "\(threads) threads" }

    /// Serves without Python's lock, and takes it back for the farewell.
    func runBesideThreads(_ loop: EventLoop) {
        evg_py_gil_release()
        loop.run()
        LoopActor.assumeIsolated { ThreadsApplication.current?.stop() }
        evg_py_gil_acquire()
    }
}

@LoopActor
final class ThreadsApplication: Application {
    private typealias Job = UnsafeMutablePointer<evg_job>

    /// Request bodies above this many bytes are spooled to a file.
    private static let spoolThreshold = 1 << 20
    /// Seconds after which the loop looks whether the thread that was to take the queue has done so.
    private static let guardInterval = 0.001

    /// Bytes of a large block that are sent by one call, and how many calls a turn of the loop makes for a request.
    private static let loanPiece = 1 << 18
    private static let loanPieces = 16

    /// That of this process.
    private(set) static var current: ThreadsApplication?

    let logger: Logger
    let pool: OpaquePointer
    let parallelism: Int
    private let streamsBodies: Bool
    private let templates: EnvironTemplates
    private let request = UnsafeMutablePointer<evg_py_request>.allocate(capacity: 1)
    private let answer = UnsafeMutablePointer<evg_py_answer>.allocate(capacity: 1)
    /// Jobs that the threads have not been told of.
    private var hasSubmitted = false
    private var guardTimer: TimerWatcher?
    /// Large blocks that go on in the next turn.
    private var unfinished: [(job: Job, exchange: Exchange)] = []
    private var unfinishedTimer: TimerWatcher?
    private var stuckThreads: StuckThreads?
    /// Threads that a WebSocket holds.
    var sockets = 0

    init(
        _ configuration: GatewayConfiguration, _ loop: EventLoop, _ pool: OpaquePointer, _ worker: WorkerEnvironment
    ) {
        logger = worker.logger
        self.pool = pool
        parallelism = configuration.threads
        streamsBodies = configuration.streamRequestBody
        templates = EnvironTemplates(configuration) { evg_py_listener_new($0) }
        request.initialize(to: evg_py_request())
        answer.initialize(to: evg_py_answer())
        guardTimer = TimerWatcher(loop) { [unowned self] in LoopActor.assumeIsolated { self.kick() } }
        unfinishedTimer = TimerWatcher(loop) { [unowned self] in LoopActor.assumeIsolated { self.goOn() } }
        if configuration.timeout > 0 {
            stuckThreads = StuckThreads(pool, limit: configuration.timeout, loop, worker) { [unowned self] in sockets }
        }
        Self.current = self
        // Lives as long as the process, as the threads do.
        LoopExecutor.shared.afterJobs { [self] in LoopActor.assumeIsolated { self.endTurn() } }
    }

    // MARK: - Requests

    func begin(_ exchange: Exchange) {
        guard exchange.admitsWebSocket() else { return }
        if streamsBodies, exchange.head.framing != .none { return stream(exchange) }
        if let body = exchange.wholeBody() { return submit(exchange, body) }
        exchange.collectBody(spoolAbove: Self.spoolThreshold) { [self] in
            switch $0 {
            case .success(let body): submit(exchange, body)
            case .failure(let error): exchange.refuseBody(error)
            }
        }
    }

    func workerLeaves(before deadline: Double) { evg_py_leave() }

    var threadsInUse: ThreadsInUse? {
        let state = evg_pool_now(pool)
        return ThreadsInUse(threads: Int(state.threads), busy: Int(state.busy), queued: Int(state.queued))
    }

    func waiting(atMost count: Int) -> Set<UnsafeMutableRawPointer>? {
        var waiting: Set<UnsafeMutableRawPointer> = []
        withUnsafeMutablePointer(to: &waiting) { waiting in
            evg_py_threads_show_waiting(
                count,
                { exchange, context in
                    guard let exchange, let context else { return }
                    context.assumingMemoryBound(to: Set<UnsafeMutableRawPointer>.self).pointee
                        .insert(UnsafeMutableRawPointer(exchange))
                }, waiting)
        }
        return waiting
    }

    private func submit(_ exchange: Exchange, _ body: CollectedBody) {
        guard !exchange.isGone, let job = makeJob(exchange, body, streams: false) else {
            return exchange.refuse(body, status: 503)
        }
        submit(job, exchange)
    }

    private func submit(_ job: Job, _ exchange: Exchange) {
        exchange.onClientLeft = { [self] in LoopActor.assumeIsolated { clientLeft(job, exchange) } }
        hasSubmitted = true
        if evg_job_submit(job) { kick() }
    }

    private func clientLeft(_ job: Job, _ exchange: Exchange) {
        if evg_job_left(job) { release(exchange) }
    }

    private func release(_ exchange: Exchange) {
        exchange.taskEnded()
        Unmanaged.passUnretained(exchange).release()
    }

    // MARK: - Bodies that stream

    private func stream(_ exchange: Exchange) {
        guard let job = makeJob(exchange, .empty, streams: true) else { return exchange.refuse(.empty, status: 503) }
        exchange.onBody = { [self] in LoopActor.assumeIsolated { feed(job, exchange) } }
        // A client that waits to be told to go on is told when the app reads.
        if exchange.head.expectsContinue { evg_job_pause(job) } else { feed(job, exchange) }
        submit(job, exchange)
    }

    private func feed(_ job: Job, _ exchange: Exchange) {
        while true {
            switch exchange.takeBody() {
            case .bytes(let bytes):
                guard Self.feed(job, bytes) else { return }
            case .end:
                exchange.onBody = nil
                return evg_job_feed_end(job, false)
            case .failed:
                exchange.onBody = nil
                return evg_job_feed_end(job, true)
            case .wait:
                return
            }
        }
    }

    /// True when the job has room for more.
    private nonisolated static func feed(_ job: Job, _ bytes: BodyBytes) -> Bool {
        bytes.withUnsafeBytes { evg_job_feed(job, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), $0.count) }
    }

    // MARK: - Jobs

    /// The exchange is retained for as long as the job lasts.
    private func makeJob(_ exchange: Exchange, _ body: CollectedBody, streams: Bool) -> Job? {
        guard let listener = templates.template(for: exchange) else { return nil }
        request.pointee.exchange = exchange.retainedForC()
        request.pointee.length_from_body = exchange.head.framing == .chunked && !streams
        let job = Self.makeJob(request, listener, body, streams)
        if job == nil { Unmanaged.passUnretained(exchange).release() }
        return job
    }

    /// Isolated to nothing, because the runtime would check the isolation of the closure.
    private nonisolated static func makeJob(
        _ request: UnsafeMutablePointer<evg_py_request>, _ listener: OpaquePointer, _ body: CollectedBody,
        _ streams: Bool
    ) -> Job? {
        switch body {
        case .bytes(let bytes):
            let job = body.lend(to: request) { evg_py_job_new(listener, request, streams) }
            if job != nil { bytes.surrender() }
            return job
        case .lent(let bytes):
            return makeJob(request, listener, .bytes(BodyBytes(bytes)), streams)
        case .empty, .file:
            return body.lend(to: request) { evg_py_job_new(listener, request, streams) }
        }
    }

    // MARK: - Turns of the loop

    private func kick() {
        hasSubmitted = false
        if evg_pool_kick(pool) { guardTimer?.start(after: Self.guardInterval) }
    }

    private func endTurn() {
        // The threads are at it while the loop sends.
        if hasSubmitted { kick() }
        if evg_pool_has_news(pool) {
            while evg_py_threads_next(answer) { settle() }
        }
    }

    // MARK: - Answers

    private func settle() {
        let answer = answer.pointee
        let exchange = Exchange.borrowed(answer.exchange)
        if answer.variables.count > 0 { exchange.loggedVariables = Array(UnsafeRawBufferPointer(answer.variables)) }
        if answer.news & Self.whole == Self.whole, answer.length == Int64(answer.data.count) {
            exchange.respond(ResponseHead.lent(answer.head).pointee, body: UnsafeRawBufferPointer(answer.data))
            if answer.news & EVG_PY_DONE.rawValue == 0 { evg_job_taken(answer.job) }
        } else {
            settle(answer, exchange)
        }
        guard answer.news & EVG_PY_DONE.rawValue != 0 else { return }
        if answer.news & EVG_PY_SENDS.rawValue == 0 { end(answer.job, exchange) }
    }

    private static let whole = EVG_PY_HEAD.rawValue | EVG_PY_ENDED.rawValue

    private func settle(_ answer: evg_py_answer, _ exchange: Exchange) {
        let news = answer.news
        if news & EVG_PY_ASKS.rawValue != 0 || exchange.hasUpgraded {
            return settleSocket(answer, exchange)
        }
        if news & EVG_PY_HINTS.rawValue != 0 { hint(answer.job, exchange) }
        var data = UnsafeRawBufferPointer(answer.data)
        if data.isEmpty { data = Self.takeLoan(of: answer.job) }
        var isFull = false
        var pieces = 1
        if news & EVG_PY_HEAD.rawValue != 0 {
            let length = answer.length < 0 ? nil : UInt64(answer.length)
            let head = ResponseHead.lent(answer.head)
            exchange.spoolsOutput = true
            isFull = exchange.begin(head.pointee, contentLength: length, first: data) == .full
        } else {
            isFull = exchange.write(data) == .full
        }
        while hasLoan(answer.job), !isFull, !exchange.isGone, pieces < Self.loanPieces {
            isFull = exchange.write(Self.takeLoan(of: answer.job)) == .full
            pieces += 1
        }
        if news & EVG_PY_BROKE.rawValue != 0 { exchange.fail() }
        if news & EVG_PY_ENDED.rawValue != 0 { exchange.finish() }
        if news & EVG_PY_OVERRAN.rawValue != 0 { exchange.warnOfOverrun() }
        if !isFull, !exchange.isGone, hasLoan(answer.job) {
            postpone(answer.job, exchange)
        } else if isFull, news & (EVG_PY_ENDED.rawValue | EVG_PY_DONE.rawValue) == 0, !exchange.isGone {
            let job = answer.job
            exchange.onDrained = { LoopActor.assumeIsolated { evg_job_drained(job) } }
            evg_job_full(job)
        } else {
            evg_job_taken(answer.job)
        }
        if news & EVG_PY_SENDS.rawValue != 0 { sendFile(answer, exchange) }
        if news & UInt32(EVG_JOB_WANTS) != 0, let job = answer.job, exchange.onBody != nil { feed(job, exchange) }
    }

    /// The next piece of what the thread lends, empty if there is none. It is taken in pieces, so that what a slow
    /// client does not take is kept in the spool and not in memory.
    private static func takeLoan(of job: Job) -> UnsafeRawBufferPointer {
        let lent = job.pointee.loop.lent
        guard lent.count > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let piece = UnsafeRawBufferPointer(start: lent.base, count: min(lent.count, loanPiece))
        evg_job_use(job, piece.count)
        return piece
    }

    /// The lines are few, and taken as a whole.
    private func hint(_ job: Job, _ exchange: Exchange) {
        let lent = job.pointee.loop.lent
        exchange.hint(UnsafeRawBufferPointer(start: lent.base, count: lent.count))
        evg_job_use(job, lent.count)
    }

    private func hasLoan(_ job: Job) -> Bool { job.pointee.loop.lent.count > 0 }

    /// Leaves the rest of what is lent for the next turn, so that a huge block keeps no other connection waiting.
    private func postpone(_ job: Job, _ exchange: Exchange) {
        evg_job_full(job)
        if unfinished.isEmpty { unfinishedTimer?.start(after: 0) }
        unfinished.append((job, exchange))
    }

    private func goOn() {
        let postponed = unfinished
        unfinished = []
        // The job of a client that has left may be that of another request by now.
        for (job, exchange) in postponed where !exchange.clientHasLeft { evg_job_drained(job) }
    }

    /// The thread goes on to other requests while the loop sends.
    private func sendFile(_ answer: evg_py_answer, _ exchange: Exchange) {
        let (job, file, offset, count) = (answer.job, answer.file, answer.file_offset, answer.file_count)
        let isDone = answer.news & EVG_PY_DONE.rawValue != 0
        exchange.attach(
            Task.immediate(executorPreference: LoopExecutor.shared) { @LoopActor in
                do {
                    try await exchange.sendFile(fileDescriptor: file, offset: Int(offset), count: Int(count))
                    exchange.finish()
                } catch {
                    exchange.fail()
                }
                close(file)
                if isDone { self.end(job, exchange) }
            })
    }

    private func end(_ job: Job?, _ exchange: Exchange) {
        if exchange.hasUpgraded { sockets -= 1 }
        exchange.appWasCalled(at: job.map { Double($0.pointee.locked.taken) * 1e-9 })
        release(exchange)
        evg_job_end(job)
    }
}

// A WSGI callable on a pool of Python threads (worker class `threads`). Law: the loop reads bodies before a thread is
// taken and writes what threads hand over; it never takes Python's lock and never waits for a thread.

import CPythonBridge
import EvGateway
import EvLoop
import EvServer
import Glibc
import HTTP1
import Logging

extension PythonHost {
    @LoopActor func loadThreads(
        _ configuration: GatewayConfiguration, _ worker: WorkerEnvironment
    ) throws(ApplicationError) -> LoadedApplication {
        try load(configuration)
        // The loop's thread is inside Python only until the loop runs.
        servesOnThreads = true
        var options = evg_py_pool_options(threads: Int32(clamping: configuration.threads), mark: 65_536)
        guard let loop = LoopExecutor.shared.boundLoop, evg_py_threads_start(&options) else {
            throw ApplicationError("the threads cannot be started", exitCode: ApplicationError.bootFailure)
        }
        let application = ThreadsApplication(configuration, loop, worker.logger)
        return LoadedApplication(
            application: application,
            description: "WSGI app \(configuration.application ?? ""), on \(configuration.threads) threads")
    }

    /// Serves without Python's lock, and takes it back for the farewell.
    func runBesideThreads(_ loop: EventLoop) {
        evg_py_gil_release()
        loop.run()
        LoopActor.assumeIsolated { ThreadsApplication.current?.reportEnd() }
        evg_py_gil_acquire()
    }
}

@LoopActor
final class ThreadsApplication: Application {
    /// Request bodies above this many bytes are spooled to a file.
    private static let spoolThreshold = 1 << 20
    /// Seconds after which the loop looks whether the thread that was to take the queue has done so.
    private static let guardInterval = 0.001

    /// That of this process.
    private(set) static var current: ThreadsApplication?

    let logger: Logger
    private let streamsBodies: Bool
    private let templates: EnvironTemplates
    private let request = UnsafeMutablePointer<evg_py_request>.allocate(capacity: 1)
    private let answer = UnsafeMutablePointer<evg_py_answer>.allocate(capacity: 1)
    /// Jobs that the threads have not been told of.
    private var hasSubmitted = false
    private var guardTimer: TimerWatcher?

    init(_ configuration: GatewayConfiguration, _ loop: EventLoop, _ logger: Logger) {
        self.logger = logger
        streamsBodies = configuration.streamRequestBody
        templates = EnvironTemplates(configuration) { evg_py_listener_new($0) }
        request.initialize(to: evg_py_request())
        answer.initialize(to: evg_py_answer())
        guardTimer = TimerWatcher(loop) { [unowned self] in LoopActor.assumeIsolated { self.kick() } }
        Self.current = self
        // Lives as long as the process, as the threads do.
        LoopExecutor.shared.afterJobs { [self] in LoopActor.assumeIsolated { self.endTurn() } }
    }

    // MARK: - Requests

    func begin(_ exchange: Exchange) {
        if exchange.head.framing == .none { return submit(exchange, .empty) }
        if streamsBodies { return stream(exchange) }
        if exchange.isBodyComplete { return beginWhole(exchange) }
        exchange.attach(
            Task.immediate(executorPreference: LoopExecutor.shared) { @LoopActor in
                await self.respond(to: exchange)
            })
    }

    /// The body has arrived with the head: no task is needed to read it.
    private func beginWhole(_ exchange: Exchange) {
        switch exchange.takeBody() {
        case .bytes(let bytes): submit(exchange, .bytes(bytes))
        case .end, .wait: submit(exchange, .empty)
        case .failed(let error): refuse(exchange, error)
        }
    }

    /// Reads the body, then hands the request over; its end is told by the thread's last answer.
    func respond(to exchange: Exchange) async {
        do {
            submit(exchange, try await exchange.collectBody(spoolAbove: Self.spoolThreshold))
        } catch {
            refuse(exchange, error)
        }
    }

    private func refuse(_ exchange: Exchange, _ error: any Error) {
        exchange.fail(status: (error as? RequestBodyError)?.statusHint ?? 503)
        exchange.taskEnded()
    }

    private func submit(_ exchange: Exchange, _ body: CollectedBody) {
        guard !exchange.isGone, let job = makeJob(exchange, body, streams: false) else {
            body.discard()
            return refuse(exchange, CancellationError())
        }
        submit(job, exchange)
    }

    private func submit(_ job: OpaquePointer, _ exchange: Exchange) {
        exchange.onClientLeft = { [self] in LoopActor.assumeIsolated { clientLeft(job, exchange) } }
        hasSubmitted = true
        if evg_py_job_submit(job) { kick() }
    }

    private func clientLeft(_ job: OpaquePointer, _ exchange: Exchange) {
        if evg_py_job_left(job) { release(exchange) }
    }

    private func release(_ exchange: Exchange) {
        exchange.taskEnded()
        Unmanaged.passUnretained(exchange).release()
    }

    // MARK: - Bodies that stream

    private func stream(_ exchange: Exchange) {
        guard let job = makeJob(exchange, .empty, streams: true) else { return refuse(exchange, CancellationError()) }
        exchange.onBody = { [self] in LoopActor.assumeIsolated { feed(job, exchange) } }
        // A client that waits to be told to go on is told when the app reads.
        if exchange.head.expectsContinue { evg_py_job_pause(job) } else { feed(job, exchange) }
        submit(job, exchange)
    }

    private func feed(_ job: OpaquePointer, _ exchange: Exchange) {
        while true {
            switch exchange.takeBody() {
            case .bytes(let bytes):
                guard evg_py_job_feed(job, bytes, bytes.count) else { return }
            case .end:
                exchange.onBody = nil
                return evg_py_job_feed_end(job, false)
            case .failed:
                exchange.onBody = nil
                return evg_py_job_feed_end(job, true)
            case .wait:
                return
            }
        }
    }

    // MARK: - Jobs

    /// The exchange is retained for as long as the job lasts.
    private func makeJob(_ exchange: Exchange, _ body: CollectedBody, streams: Bool) -> OpaquePointer? {
        guard let listener = templates.template(of: exchange.local) else { return nil }
        request.pointee.remote_port = exchange.remotePort
        let reference = Unmanaged.passRetained(exchange)
        let job = Self.makeJob(
            request, reference.toOpaque(), listener, exchange.head, exchange.remoteAddress, body, streams)
        if job == nil { reference.release() }
        return job
    }

    /// Isolated to nothing, because the runtime would check the isolation of every closure below.
    private nonisolated static func makeJob(
        _ request: UnsafeMutablePointer<evg_py_request>, _ exchange: UnsafeMutableRawPointer, _ listener: OpaquePointer,
        _ head: RequestHead, _ remoteAddress: String, _ body: CollectedBody, _ streams: Bool
    ) -> OpaquePointer? {
        request.pointee.method = evg_py_range(head.method)
        request.pointee.target = evg_py_range(head.target)
        request.pointee.path = evg_py_range(head.path)
        request.pointee.query = evg_py_range(head.query)
        request.pointee.authority = evg_py_range(head.authority)
        request.pointee.http10 = head.version == .http10
        request.pointee.length_from_body = head.framing == .chunked && !streams
        var address = remoteAddress
        return address.withUTF8 { address in
            request.pointee.remote_address = evg_py_text(base: address.baseAddress, count: address.count)
            return head.bytes.withUnsafeBufferPointer { bytes in
                request.pointee.bytes = bytes.baseAddress
                return head.fields.withUnsafeBufferPointer { fields in
                    fields.withMemoryRebound(to: evg_py_field.self) { fields in
                        request.pointee.fields = fields.baseAddress
                        request.pointee.field_count = fields.count
                        return makeJob(request, exchange, listener, body, streams)
                    }
                }
            }
        }
    }

    private nonisolated static func makeJob(
        _ request: UnsafeMutablePointer<evg_py_request>, _ exchange: UnsafeMutableRawPointer, _ listener: OpaquePointer,
        _ body: CollectedBody, _ streams: Bool
    ) -> OpaquePointer? {
        request.pointee.body = nil
        request.pointee.body_count = 0
        request.pointee.body_file = -1
        switch body {
        case .empty:
            return evg_py_job_new(exchange, listener, request, streams)
        case .bytes(let bytes):
            return bytes.withUnsafeBufferPointer { bytes in
                request.pointee.body = bytes.baseAddress
                request.pointee.body_count = bytes.count
                return evg_py_job_new(exchange, listener, request, streams)
            }
        case .file(let descriptor, let count):
            request.pointee.body_file = descriptor
            request.pointee.body_count = count
            return evg_py_job_new(exchange, listener, request, streams)
        }
    }

    // MARK: - Turns of the loop

    private func kick() {
        hasSubmitted = false
        if evg_py_threads_kick() { guardTimer?.start(after: Self.guardInterval) }
    }

    private func endTurn() {
        // The threads are at it while the loop sends.
        if hasSubmitted { kick() }
        if evg_py_threads_have_answered() {
            while evg_py_threads_next(answer) { settle() }
        }
    }

    // MARK: - Answers

    private func settle() {
        let answer = answer.pointee
        let exchange = Unmanaged<Exchange>.fromOpaque(answer.exchange).takeUnretainedValue()
        if answer.news & Self.whole == Self.whole, answer.length == Int64(answer.data.count) {
            exchange.send(whole: answer)
            if answer.news & EVG_PY_DONE.rawValue == 0 { evg_py_job_taken(answer.job) }
        } else {
            settle(answer, exchange)
        }
        guard answer.news & EVG_PY_DONE.rawValue != 0 else { return }
        if answer.news & EVG_PY_SENDS.rawValue == 0 { end(answer.job, exchange) }
    }

    private static let whole = EVG_PY_HEAD.rawValue | EVG_PY_ENDED.rawValue

    private func settle(_ answer: evg_py_answer, _ exchange: Exchange) {
        let news = answer.news
        if news & EVG_PY_HEAD.rawValue != 0, !exchange.sendHead(answer) {
            exchange.breakResponse()
        }
        var isFull = false
        if news & EVG_PY_DATA.rawValue != 0 {
            isFull = exchange.write(UnsafeRawBufferPointer(answer.data)) == .full
        }
        if news & EVG_PY_BROKE.rawValue != 0 { exchange.breakResponse() }
        if news & EVG_PY_ENDED.rawValue != 0 { exchange.finish() }
        if news & EVG_PY_OVERRAN.rawValue != 0 { warnOfOverrun(exchange) }
        if isFull, news & (EVG_PY_ENDED.rawValue | EVG_PY_DONE.rawValue) == 0, !exchange.isGone {
            let job = answer.job
            exchange.onDrained = { LoopActor.assumeIsolated { evg_py_job_drained(job) } }
            evg_py_job_full(job)
        } else {
            evg_py_job_taken(answer.job)
        }
        if news & EVG_PY_SENDS.rawValue != 0 { sendFile(answer, exchange) }
        if news & EVG_PY_WANTS.rawValue != 0, let job = answer.job, exchange.onBody != nil { feed(job, exchange) }
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
                    exchange.breakResponse()
                }
                close(file)
                if isDone { self.end(job, exchange) }
            })
    }

    private func end(_ job: OpaquePointer?, _ exchange: Exchange) {
        exchange.appWasCalled = true
        release(exchange)
        evg_py_job_end(job)
    }

    private func warnOfOverrun(_ exchange: Exchange) {
        let head = exchange.head
        guard !head.isHead else { return }
        logger.warning(
            "The app sent more bytes than its Content-Length; the rest is dropped",
            metadata: ["method": "\(head.string(head.method))", "path": "\(head.string(head.path))"])
    }
}

// MARK: - What an exchange is told

extension Exchange {
    fileprivate func send(whole answer: evg_py_answer) {
        do throws(HTTP1Error) {
            try start(answer)
            try sendComplete(body: UnsafeRawBufferPointer(answer.data))
        } catch {
            breakResponse()
        }
    }

    /// False when there is no head to send.
    fileprivate func sendHead(_ answer: evg_py_answer) -> Bool {
        guard !isGone else { return true }
        do throws(HTTP1Error) {
            try start(answer)
            try sendHead(contentLength: answer.length < 0 ? nil : UInt64(answer.length))
            return true
        } catch {
            return false
        }
    }

    private func start(_ answer: evg_py_answer) throws(HTTP1Error) {
        try startResponse(
            status: Int(answer.status), reason: answer.reason.base == nil ? nil : UnsafeRawBufferPointer(answer.reason))
        for index in 0..<answer.field_count {
            let field = answer.fields[index]
            try addField(name: UnsafeRawBufferPointer(field.name), value: UnsafeRawBufferPointer(field.value))
        }
    }

    /// The app failed: an error response while that is possible, else an end that nobody takes for a complete body.
    fileprivate func breakResponse() {
        if !headWasSent { abandonResponse() }
        fail(status: 500)
    }
}

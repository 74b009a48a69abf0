// One worker: the loop's thread owns it and all it reaches. It opens connections, starts requests, and ends in order.
// Leaving is `drain` (finish what runs) or `quit` (cancel it); both end in `onFinished`, exactly once.

package import EvBus
package import EvLoop
import Glibc
import HTTP1
import HTTP2
import HTTPCore
package import Logging
package import WebSocketCodec

@LoopActor
package final class Worker {
    package let configuration: ServerConfiguration
    package let logger: Logger
    let loop: EventLoop
    let application: any Application
    /// Messages to and from the other processes of the server.
    package let bus: Bus
    let slot: ScoreboardSlot
    let forwarding: ForwardingRules
    let accessLog: AccessLog?
    /// Nil where requests get no ids.
    let tracing: RequestTracing?
    /// Whether there is one, to be asked at every request.
    let tracesRequests: Bool
    /// Nil where every worker serves every request.
    @exclusivity(unchecked) private(set) var sticky: Sticky?
    /// The app sees another head than came: with an id, or with GRIP's fields.
    let amendsRequests: Bool
    /// Nil where apps cannot have their requests held.
    package private(set) var holds: HoldTable?
    let gripFields: GripFields?
    let spool: Spool
    var outputSpools: OutputSpools
    let inputBuffer: Int
    let highWaterMark: Int

    /// Bytes just read; a connection takes what it needs before its callback ends.
    let readBuffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)
    /// Where a connection puts a head or a chunk together, for the length of one call.
    let writer = ByteWriter()
    /// Where the server's own responses and those of Swift apps are built, for the length of one call. Behind a
    /// pointer, because every access to a class's own property may be tracked at run time.
    let responseHead = UnsafeMutablePointer<ResponseHead>.allocate(capacity: 1)
    @exclusivity(unchecked) var clock: ResponseClock
    let logsResponseFields: Bool
    /// Somebody is told how long requests took, to less than the few milliseconds of the coarse clock.
    let measuresTime: Bool
    /// Somebody reads what is counted, so that readings of the clock are worth their cost.
    let isMeasured: Bool
    var turns: TurnMeter?
    /// Where the text of a response of a Swift app stands while it is sent.
    let text = ByteWriter()
    /// For the messages of all WebSockets.
    package let compressors = Compressors()
    let inflaters = Inflaters()
    /// A parser that has seen nothing, copied for each head.
    let parser: RequestParser
    private(set) var deadlines: Deadlines!
    private(set) var requestDeadlines: DeadlineHeap<Exchange>!
    /// Made for the first client that sends a FIN while its request runs.
    private(set) var departures: Departures?
    /// Nil where no path is asked for health.
    let health: HealthPaths?
    /// Nil where connections do not begin with a PROXY header.
    let proxyHeaders: ProxyHeaders?
    let gatewayNotes = GatewayNotes()
    /// For handshakes that begin from now on; nil where TLS is not spoken.
    package var tls: TLSServer?
    /// For the answers of all connections of HTTP/2.
    let fieldEncoder = FieldEncoder()
    private(set) var acceptor: Acceptor!
    /// Connections that go to other processes, and those that come from there.
    package private(set) var moves: Moves!
    private var heartbeat: TimerWatcher?
    private var drainTimer: TimerWatcher?
    private(set) var farewell: Farewell?
    let errorBody = ByteWriter(capacity: 64)
    @exclusivity(unchecked) private var addresses = AddressText()
    /// Connections with a deferred head; it goes out with the first bytes of the body or before the next poll.
    @exclusivity(unchecked) var unflushed: [Connection] = []

    package private(set) var openConnections = 0 { didSet { slot.open = UInt32(clamping: openConnections + arriving) } }
    /// Held requests that have come here from another worker and are not served yet.
    var arriving = 0 { didSet { slot.open = UInt32(clamping: openConnections + arriving) } }
    private(set) var runningTasks = 0
    private(set) var requests = 0
    /// Of those, how many had no app called for them, because their client left before.
    package private(set) var dropped = 0
    private var requestsUntilRetirement: Int
    private(set) var isDraining = false
    /// No worker will follow this one.
    private(set) var isServerLeaving = false
    /// Another request may follow on a connection, as far as the worker's state goes.
    private(set) var keepsConnections: Bool
    private var meter: LoadMeter?
    /// The number of requests at which one waits for its turn, where that is measured.
    private var firstThatWaits = Int.max
    /// Monotonic seconds at which the drain ends.
    private var drainDeadline = Double.infinity
    private var isFinished = false
    /// What ends from now on is ended by the worker, and not by its client.
    private(set) var isQuitting = false

    /// The worker has ended: nothing is open and no task runs, or its time was up.
    package var onFinished: (() -> Void)?
    /// As many requests as `maxRequests` allows have been started.
    package var onMaxRequests: (() -> Void)?

    /// - Parameters:
    ///   - slot: where this worker reports; `siblings` are the slots of the other workers of the same master, `others`
    ///     those of another master's.
    ///   - passing: the eventfd by which this worker and its siblings wake one another for connections, or -1.
    ///   - report: where it counts; nil if nobody reads that.
    ///   - accessLog: nil writes no access log.
    ///   - bus: nil for one that connects this process to no other.
    package init(
        loop: EventLoop, configuration: ServerConfiguration, listeners: [ListeningSocket],
        application: any Application, slot: ScoreboardSlot, siblings: [ScoreboardSlot] = [],
        others: [ScoreboardSlot] = [], passing: Int32 = -1, report: WorkerReport? = nil, accessLog: AccessLog? = nil,
        bus: Bus? = nil, logger: Logger
    ) {
        self.loop = loop
        self.bus = bus ?? Bus(loop)
        self.configuration = configuration
        self.application = application
        self.slot = slot
        isMeasured = report != nil
        if let report { Counted.counters = report.counters }
        forwarding = ForwardingRules(configuration.forwarding)
        self.accessLog = accessLog
        tracing = RequestTracing(configuration.tracing)
        tracesRequests = configuration.tracing != nil
        amendsRequests = tracesRequests || configuration.grip != nil
        gripFields = configuration.grip.map { GripFields($0) }
        inputBuffer = configuration.inputBuffer
        highWaterMark = configuration.highWaterMark
        self.logger = logger
        responseHead.initialize(to: ResponseHead())
        clock = ResponseClock(server: configuration.serverHeader)
        logsResponseFields = accessLog?.showsResponseFields == true
        measuresTime = accessLog?.showsDuration == true
        spool = Spool(configuration.spool, logger)
        outputSpools = OutputSpools(configuration, logger)
        parser = RequestParser(limits: configuration.limits)
        health = HealthPaths(configuration.healthPaths)
        proxyHeaders = ProxyHeaders(configuration)
        tls = configuration.tls
        let jitter = configuration.maxRequestsJitter > 0 ? Int.random(in: 0...configuration.maxRequestsJitter) : 0
        requestsUntilRetirement = configuration.maxRequests > 0 ? configuration.maxRequests + jitter : .max
        keepsConnections = configuration.keepAliveTimeout > 0
        deadlines = Deadlines(loop, configuration)
        requestDeadlines = DeadlineHeap(loop, granularity: 0.01)
        moves = Moves(self, siblings: siblings, others: others)
        acceptor = Acceptor(self, listeners: listeners, siblings: siblings, passing: passing)
        sticky = Sticky(self)
        if configuration.grip != nil { holds = HoldTable(self, self.bus) }
        // For as long as the process: a worker ends with it.
        LoopExecutor.shared.afterJobs { [self] in self.endTurn() }
    }

    isolated deinit {
        readBuffer.deallocate()
        responseHead.deinitialize(count: 1)
        responseHead.deallocate()
        clock.deallocate()
    }

    /// Begins to accept and to beat.
    package func start() {
        if configuration.measuresLoad {
            let meter = LoadMeter(loop, parallelism: application.parallelism, places: configuration.connections)
            self.meter = meter
            firstThatWaits = meter.firstThatWaits
        }
        beginMetrics()
        beat()
        let heartbeat = TimerWatcher(loop) { [unowned self] in self.beat() }
        self.heartbeat = heartbeat
        heartbeat.start(after: 1, every: 1)
        acceptor.start()
        moves.open()
        slot.state = .ready
    }

    /// The first stage of a connection.
    package typealias Stage = @LoopActor @Sendable (Transport, PeerAddress, Listener, Worker) -> Connection

    // MARK: leaving

    /// The worker will be told to leave soon: it goes on accepting, and each connection ends with its next answer.
    package func announce() {
        guard !isDraining else { return }
        isServerLeaving = true
        keepsConnections = false
        slot.state = .leaving
    }

    /// Stops accepting, lets what runs finish, and answers the rest with 503 after `timeout` seconds. When it is called
    /// again, less time may be left.
    ///
    /// - Parameters:
    ///   - takesQueue: nobody else accepts from these sockets, so whoever has connected is served here.
    ///   - receivers: who takes connections; nil where nobody does.
    package func drain(timeout: Double, takesQueue: Bool = true, to receivers: Receivers? = nil) {
        let end = EventLoop.monotonicNow() + timeout
        if isDraining, !isQuitting, end < drainDeadline {
            drainDeadline = end
            drainTimer?.start(after: timeout)
        }
        guard !isDraining, !isFinished else { return }
        isDraining = true
        isServerLeaving = isServerLeaving || takesQueue
        keepsConnections = false
        drainDeadline = end
        slot.state = .draining
        moves.begin(to: receivers)
        application.workerLeaves(before: end)
        acceptor.drainAndStop(all: takesQueue)
        // A keep-alive client may be sending its next request now: it gets an answer, with `Connection: close`.
        deadlines.setTimeout(configuration.drainIdleGrace, for: .keepAlive)
        deadlines.forEach(.keepAlive) { deadlines.begin(.keepAlive, $0) }
        // So may one that has connected and said nothing yet.
        for wait in [Wait.head, .handshake] {
            deadlines.forEach(wait) { if $0.isSilent { deadlines.begin(.keepAlive, $0) } }
        }
        for wait in [Wait.streams, .keepAlive, .head] { deadlines.forEach(wait) { $0.workerLeaves() } }
        farewell = Farewell(self, window: min(configuration.drainWindow, timeout * 0.75))
        let timer = TimerWatcher(loop) { [unowned self] in self.endDrain() }
        drainTimer = timer
        timer.start(after: timeout)
        finishIfDone()
    }

    /// What begins now is answered with 503: the time of the drain is over.
    var isRefusing: Bool { isDraining && EventLoop.monotonicNow() >= drainDeadline }

    /// Answers all that can be answered, and leaves clients a moment to read it before connections are closed.
    private func endDrain() {
        if runningTasks > 0 {
            logger.warning(
                "Graceful timeout: requests still running are cancelled", metadata: ["requests": "\(runningTasks)"])
        }
        drainDeadline = -.infinity
        moves.end()
        farewell?.hurry()
        application.workerLeaves(before: EventLoop.monotonicNow() + 0.25)
        for wait in [Wait.active, .held, .body, .halfClose, .head, .handshake, .keepAlive] {
            deadlines.forEach(wait) { $0.endOfDrain() }
        }
        acceptor.refuseWaiting()
        guard !isFinished else { return }
        let timer = TimerWatcher(loop) { [unowned self] in self.quit() }
        drainTimer = timer
        timer.start(after: 0.25)
        finishIfDone()
    }

    /// Cancels every request, closes every connection and ends.
    package func quit() {
        guard !isFinished, !isQuitting else { return }
        isDraining = true
        keepsConnections = false
        isQuitting = true
        moves.end()
        slot.state = .draining
        // After a drain all have been told, and have had that time.
        let isTold = drainDeadline == -.infinity
        if !isTold { application.workerLeaves(before: EventLoop.monotonicNow() + 0.25) }
        acceptor.stop()
        for wait in Wait.allCases where wait != .write {
            deadlines.forEach(wait) { $0.abort() }
        }
        // Cancelled tasks run once more, to let go of what they hold; one that does not listen is left behind.
        guard runningTasks > 0, !isTold, !isFinished else { return finish() }
        let timer = TimerWatcher(loop) { [unowned self] in self.finish() }
        drainTimer = timer
        timer.start(after: 0.25)
    }

    func finishIfDone() {
        guard openConnections == 0, runningTasks == 0 else { return }
        if isDraining, acceptor.isDone, moves.isDone, moves.hasLookedAgain() { finish() }
    }

    private func finish() {
        guard !isFinished else { return }
        isFinished = true
        heartbeat?.stop()
        drainTimer?.stop()
        farewell = nil
        deadlines.stop()
        requestDeadlines.stop()
        holds?.stop()
        if dropped > 0 {
            logger.info(
                "Dropped requests whose clients left before the app was called", metadata: ["requests": "\(dropped)"])
        }
        moves.finish()
        accessLog?.finish()
        onFinished?()
    }

    // MARK: bookkeeping for connections and requests
    @discardableResult
    func open(_ fileDescriptor: Int32, _ peer: PeerAddress, _ listener: Listener) -> Connection {
        openConnections += 1
        Counted.add(at: Counter.accepted)
        let connection = listener.stage(.plain(fileDescriptor), peer, listener, self)
        connection.isSpare = isOverfull && !isDraining
        connection.start()
        return connection
    }

    /// Begins to serve a connection that was not accepted: one end of a pair of sockets, for a stream.
    func begin(
        _ connection: Connection, _ bytes: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) {
        openConnections += 1
        connection.start(bytes)
    }

    func connectionClosed() {
        openConnections -= 1
        acceptor.connectionClosed()
        finishIfDone()
    }

    /// A client with a request that is not answered yet has sent a FIN.
    func watchForDeparture(_ connection: HTTP1Connection) {
        let watching = departures ?? Departures(loop)
        departures = watching
        watching.watch(connection)
    }

    func connectionLingers() { acceptor.connectionLingers() }

    func requestBegins(_ exchange: Exchange) {
        requests += 1
        runningTasks += 1
        slot.requests = UInt64(requests)
        slot.active = UInt32(clamping: runningTasks)
        if runningTasks == firstThatWaits { meter?.waitingBegins() }
        slot.setCurrentRequest(exchange.head.requestLine, startedAt: exchange.startedAt)
        requestsUntilRetirement -= 1
        if requestsUntilRetirement == 0 { onMaxRequests?() }
    }

    func requestDropped(_ exchange: Exchange) {
        guard !isQuitting else { return }
        dropped += 1
        slot.dropped = UInt32(clamping: dropped)
        Counted.add(at: Counter.dropped)
        logger.debug(
            "Dropped a request whose client left before the app was called", metadata: exchange.requestMetadata)
    }

    func taskEnded() {
        if runningTasks == firstThatWaits { meter?.waitingEnds() }
        runningTasks -= 1
        slot.active = UInt32(clamping: runningTasks)
        if runningTasks == 0 { slot.clearCurrentRequest() }
        finishIfDone()
    }

    /// Calls with a peer's address as text.
    func withAddress<Result>(of peer: PeerAddress, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        addresses.withText(of: peer, body)
    }

    private func beat() {
        loop.onCheck?()
        acceptor.beat()
        moves.rebalance?.beat()
        accessLog?.retry(on: loop)
        slot.heartbeat = EventLoop.monotonicNow()
        let idle = deadlines.count(of: .keepAlive)
        slot.idle = UInt32(clamping: idle)
        writeGauges()
        if let meter {
            slot.load = meter.read(tasks: runningTasks, open: openConnections - idle, isFull: acceptor.isFull)
        }
        // The list keeps the order in which requests began, but for those that waited for their bodies.
        let longest = deadlines.first(of: .active)?.exchange
        let line = longest?.head.requestLine ?? UnsafeRawBufferPointer(start: nil, count: 0)
        slot.setLongestRequest(line, startedAt: longest?.startedAt ?? 0)
    }

    private func endTurn() {
        if !unflushed.isEmpty {
            let connections = unflushed
            unflushed.removeAll(keepingCapacity: true)
            for connection in connections { connection.flushDeferred() }
        }
        accessLog?.flush()
    }
}

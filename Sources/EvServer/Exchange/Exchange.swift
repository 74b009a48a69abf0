// One request and its response, as an application sees them, whatever wire carries them. The client may leave at any
// moment: then the task is cancelled, waits end with an error, and what is written afterwards is dropped.

package import EvLoop
import Glibc
import HTTP1
package import HTTPCore
import Logging
import WebSocketCodec

@LoopActor
package final class Exchange {
    // Each access to one of those without checks is over before another begins.

    // MARK: the request
    @exclusivity(unchecked) var ownHead: RequestHead
    @exclusivity(unchecked) var carrier: Carrier
    // A constant, because that need not be retained for each call.
    nonisolated let worker: Worker
    nonisolated let forwarded: Forwarded
    /// Monotonic seconds at which the head was complete.
    package let startedAt: Double
    /// Nil for a request without a body.
    let incoming: IncomingBody?

    // MARK: the app
    /// What the app's side of the exchange does.
    /// `none`: the loop answers, and the request counts for nothing.
    enum App { case none, waiting, called, parked, ended }
    @exclusivity(unchecked) private(set) var task: Task<Void, Never>?
    @exclusivity(unchecked) var observers = Observers()
    /// Monotonic seconds at which the request is given up; infinity for never. May be moved until the response ends.
    package var deadline = Double.infinity {
        didSet { if !isGone { worker.requestDeadlines.update(self) } }
    }

    // MARK: the response
    /// How far the response is. Nothing leads back.
    /// `instructing`: what the app writes tells how to hold the request, and nothing has left. `held`: neither has
    /// then, and a message or the time limit brings the answer. `upgraded`: the connection has become something else,
    /// and the app answers by way of that.
    enum Response { case awaited, instructing, held, begun, upgraded, over, clientLeft }
    @exclusivity(unchecked) var length = ResponseLength.nothing
    /// The place among the requests with a deadline; -1 for none. Here because it fills a gap.
    var deadlineIndex: Int32 = -1
    /// Bytes of the body that were given to the carrier.
    @exclusivity(unchecked) var bodySent: UInt64 = 0
    /// What the task that writes waits for.
    enum Writer {
        case none
        case drained(UnsafeContinuation<Void, Never>)
        /// The transport itself, for the next bytes of a file.
        case transport(UnsafeContinuation<Void, Never>)
    }
    @exclusivity(unchecked) var writer = Writer.none
    /// What a request has come to that is not answered as others are.
    enum Upgrade {
        case none
        case offered(WebSocketOffer)
        case socket(WebSocketConnection)
        case taken(TakenConnection)
        case instructed(InstructedAnswer)
        case held(Hold)
        case replayed(Replay)
    }
    @exclusivity(unchecked) var upgrade = Upgrade.none
    @exclusivity(unchecked) var logged: LoggedValues?

    // MARK: what takes little room, in one place: of 184 bytes 181 are used, and many thousand exchanges may wait
    package nonisolated let peer: PeerAddress
    /// What the peer's fields say of its clients is believed.
    nonisolated let trustsPeer: Bool
    /// The client has spoken over TLS, as far as is known.
    package let isSecure: Bool
    @exclusivity(unchecked) private(set) var app = App.waiting
    /// It has been named in the log while it ran.
    var isReportedSlow = false
    /// What a slow client does not take goes to a file, up to the spool limit, before `write` says `.full`.
    package var spoolsOutput = false
    @exclusivity(unchecked) var status: UInt16 = 0
    @exclusivity(unchecked) var response = Response.awaited

    package convenience init(_ head: RequestHead, _ carrier: Carrier) {
        self.init(head, carrier, on: carrier.connection)
    }

    /// - Parameter connection: that of the carrier.
    init(_ head: RequestHead, _ carrier: Carrier, on connection: __shared Connection) {
        self.carrier = carrier
        worker = connection.worker
        peer = connection.peer
        trustsPeer = connection.trustsPeer
        let isSecure = connection.isSecure
        let reading = connection.worker.forwarding.read(head, isTrusted: connection.trustsPeer, isSecure: isSecure)
        ownHead = reading.head
        forwarded = reading.forwarded
        self.isSecure = forwarded.facts?.isSecure ?? isSecure
        startedAt = connection.worker.requestTime
        incoming = head.framing.isEmpty ? nil : IncomingBody(head, connection.worker.configuration.limits)
        if worker.amendsRequests { amend() }
    }

    /// Of a request of which only the head was kept while it was held, or that the server makes itself.
    ///
    /// - Parameter last: what the app is told of its last answer; nil where it is not called, and an answer goes out.
    init(
        heldSince moment: Double, _ head: RequestHead, _ carrier: Carrier, _ body: [UInt8] = [], telling last: [LastID]?
    ) {
        let connection = carrier.connection
        (self.carrier, worker) = (carrier, connection.worker)
        (peer, trustsPeer, startedAt) = (connection.peer, connection.trustsPeer, moment)
        let reading = worker.forwarding.read(head, isTrusted: trustsPeer, isSecure: connection.isSecure)
        (ownHead, forwarded) = (reading.head, reading.forwarded)
        isSecure = forwarded.facts?.isSecure ?? connection.isSecure
        incoming = body.isEmpty ? nil : IncomingBody(whole: body)
        if let last { ownHead = worker.gripFields?.told(ownHead, last) ?? ownHead } else { app = .ended }
    }

    /// The same request once more, on the same carrier.
    init(again former: Exchange, _ body: [UInt8], telling last: [LastID]) {
        (carrier, worker, peer, trustsPeer) = (former.carrier, former.worker, former.peer, former.trustsPeer)
        (startedAt, forwarded, isSecure) = (former.startedAt, former.forwarded, former.isSecure)
        incoming = body.isEmpty ? nil : IncomingBody(whole: body)
        ownHead = worker.gripFields?.told(former.head, last) ?? former.head
    }

    /// Of a request whose client is told by a gateway protocol, and not by the connection.
    init(_ announced: GatewayHead, _ carrier: Carrier) {
        (self.carrier, worker) = (carrier, carrier.connection.worker)
        (peer, trustsPeer) = (announced.peer, announced.isTrusted(by: worker.forwarding))
        let reading = worker.forwarding.read(announced.head, isTrusted: trustsPeer, isSecure: announced.isSecure)
        (ownHead, forwarded) = (reading.head, announced.facts(in: reading))
        isSecure = forwarded.facts?.isSecure ?? announced.isSecure
        startedAt = worker.requestTime
        incoming = ownHead.framing.isEmpty ? nil : IncomingBody(ownHead, worker.configuration.limits)
        if worker.amendsRequests { amend() }
    }

    @inline(never) private func amend() {
        ownHead = amended
        if worker.holds != nil { incoming?.keepCopy() }
    }

    /// As the app is to see it: without the fields that the settings drop. A stored property would be checked for
    /// exclusive access in other modules.
    package var head: RequestHead { ownHead }
    /// That of the carrier, known beyond the response.
    package var connection: Connection { carrier.connection }

    /// Bytes of the head are on their way.
    package var headWasSent: Bool {
        switch response {
        case .awaited, .instructing, .held: false
        case .begun, .upgraded, .over, .clientLeft: true
        }
    }
    /// No answer is wanted any more: the client has left, or has been answered.
    package var isGone: Bool { response == .over || response == .clientLeft }
    /// The client has left before the end of its response.
    package var clientHasLeft: Bool { response == .clientLeft }
    var waitsForTransport: Bool { if case .transport = writer { true } else { false } }

    // MARK: the app

    package func run() {
        if let health = worker.health {
            app = .none
            if answersWithoutApp(health) { return }
            app = .waiting
        }
        worker.requestBegins(self)
        if case .refused(let reason) = forwarded {
            refuse(reason)
            return taskEnded()
        }
        if let limit = worker.configuration.bodyLimit, case .length(let length) = head.framing, length > limit {
            return turnAway(.bodyTooLarge, status: 413)
        }
        if worker.isDraining, worker.isRefusing { return turnAway(.leaving, status: 503) }
        if worker.configuration.requestTimeout > 0 { deadline = startedAt + worker.configuration.requestTimeout }
        worker.application.begin(self)
    }

    /// The app has been called for this request. Whoever calls it says so: a request that ends without, because its
    /// client has left, is counted as dropped.
    ///
    /// - Parameter moment: when that was, in monotonic seconds; nil for now.
    package func appWasCalled(at moment: Double? = nil) {
        guard app == .waiting else { return }
        app = .called
        guard worker.isMeasured else { return }
        if let moment { return Counted.record(moment - startedAt, at: Counter.queueing) }
        Counted.recordEntry(since: startedAt, at: Counter.queueing)
    }

    /// Not for the loop itself.
    var isForApp: Bool { app != .none }

    /// Keeps the task that is to be cancelled when the client leaves.
    package func attach(_ task: Task<Void, Never>) {
        if app != .ended, app != .parked { self.task = task }
    }

    /// No task runs now; one may when what the request waits for has come (`unpark`).
    package func park() {
        app = .parked
        task = nil
        Counted.add(at: Counter.parked)
    }

    package func unpark() {
        guard app == .parked else { return }
        app = .called
        Counted.subtract(at: Counter.parked)
    }

    /// Nothing of the app runs any more for this request. One that it left unanswered is answered here.
    package func taskEnded() {
        guard app != .ended else { return }
        let wasCalled = app != .waiting
        unpark()
        app = .ended
        task = nil
        observers = Observers()
        if hasUpgraded {
            endUpgrade()
        } else if let hold {
            hold.appHasEnded()
        } else if !isGone {
            worker.logger.error("The app returned without finishing its response", metadata: requestMetadata)
            fail()
        }
        if response == .clientLeft, !wasCalled { worker.requestDropped(self) }
        worker.taskEnded()
    }

    /// The client can be reached no more: the app's task is cancelled and its waits end.
    package func clientLeft() {
        if !isGone {
            // 499 is what proxies log for a client that left before its answer began.
            worker.requestEnded(self, status: headWasSent ? Int(status) : 499)
            conclude(.clientLeft)
        }
        wakeBodyReader()
        wakeWriter()
        task?.cancel()
        if webSocket != nil { observers.body() }
        observers.clientLeft()
        hold?.clientLeft()
    }

    func conclude(_ end: Response) {
        response = end
        if case .instructed(let answer) = upgrade { answer.giveUp() }
        if deadlineIndex >= 0 { worker.requestDeadlines.remove(self) }
    }

    /// Gives the request up at its deadline.
    func deadlineExpired(at now: Double) {
        guard !isGone else { return }
        worker.logger.warning("A request has passed its deadline and is cancelled", metadata: requestMetadata)
        Counted.add(at: Counter.overdue)
        cancel(status: 504) { $0.overdue() }
    }

    /// Gives up a request that has no answer yet, or has taken its connection, because the worker leaves.
    func giveUp() {
        if let hold { return hold.workerLeaves() }
        if !headWasSent { cancel(status: 503) { $0.clientLeft() } } else { taken?.abort() }
    }

    /// The client is answered first, so that an app that does not listen cannot keep it waiting.
    private func cancel(status: Int, _ tell: (Observers) -> Void) {
        fail(status: status)
        task?.cancel()
        tell(observers)
        wakeBodyReader()
        wakeWriter()
    }

    // MARK: the response

    package enum WriteResult { case ok, full, gone }

    private func begin(_ head: borrowing ResponseHead, given: UInt64?) -> ResponseBeginning {
        status = UInt16(truncatingIfNeeded: head.status)
        response = .begun
        if let sticky = worker.sticky { sticky.answered(head) }
        let (length, announced) = ResponseLength.of(head, given: given, requestIsHead: self.head.isHead)
        self.length = length
        return ResponseBeginning(exchange: self, length: length, announced: announced)
    }

    /// Sends a whole response.
    package func respond(_ head: borrowing ResponseHead, body: UnsafeRawBufferPointer) {
        guard response == .awaited else { return }
        if head.replays, replay() { return }
        if head.instructs, takesInstruction(head, body) { return finish() }
        let beginning = begin(head, given: UInt64(body.count))
        if worker.sticky != nil { look(at: body) }
        carrier.respond(head, of: beginning, UnsafeRawBufferPointer(rebasing: body[..<take(body.count)]))
        end()
    }

    /// Sends the head, and the first bytes of the body or none. After `.full`, `drained()` is to be awaited before the
    /// next call.
    /// - Parameter contentLength: bytes of the whole body, when they are known and the app gave no Content-Length.
    @discardableResult
    package func begin(
        _ head: borrowing ResponseHead, contentLength: UInt64? = nil,
        first: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) -> WriteResult {
        guard response == .awaited else { return .gone }
        if head.replays, replay() { return .gone }
        if head.instructs, takesInstruction(head, first) { return .ok }
        let beginning = begin(head, given: contentLength)
        if worker.sticky != nil { look(at: first) }
        carrier.begin(head, of: beginning, UnsafeRawBufferPointer(rebasing: first[..<take(first.count)]))
        return writeResult
    }

    /// Sends bytes of the body. After `.full`, `drained()` is to be awaited before the next call.
    package func write(_ bytes: UnsafeRawBufferPointer) -> WriteResult {
        guard response == .begun else { return instruct(bytes) }
        if worker.sticky != nil { look(at: bytes) }
        let count = take(bytes.count)
        guard count > 0 else { return .ok }
        if spoolsOutput { carrier.spoolIfFull() }
        carrier.write(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        return writeResult
    }

    private var writeResult: WriteResult {
        isGone ? .gone : carrier.hasRoom(spools: spoolsOutput) ? .ok : .full
    }

    /// How many of these bytes are to be sent.
    private func take(_ count: Int) -> Int {
        let hadOverrun = length.overran
        let taken = length.take(count)
        bodySent += UInt64(taken)
        if length.overran, !hadOverrun { warnOfOverrun() }
        return taken
    }

    /// Ends the response. A body that is shorter than announced closes the connection. Idempotent.
    ///
    /// - Parameter trailers: field lines behind the body, each with its CRLF; dropped where the client does not ask for
    ///   them (RFC 9110 6.5.1).
    package func finish(trailers: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)) {
        guard response == .begun else { return finishInstruction() }
        if case .instructed = upgrade, streamHasBegun() { return }
        length.end()
        if !length.isShort {
            carrier.sendEnd(
                trailers: trailers.isEmpty || head.takesTrailers
                    ? trailers : UnsafeRawBufferPointer(start: nil, count: 0))
        }
        end()
    }

    private func end() {
        guard response == .begun else { return }
        length.end()
        if length.isShort { warnOfShortage() }
        worker.requestEnded(self, status: Int(status))
        conclude(.over)
        carrier.finished(self, isShort: length.isShort)
    }

    /// Answers with an error when nothing has been sent, else breaks the response off so that the client sees it.
    package func fail(status: Int = 500) {
        switch response {
        case .instructing, .held:
            forgetInstruction()
            fail(status: status)
        case .awaited:
            let body = worker.prepareError(status)
            respond(worker.responseHead.pointee, body: body)
        case .begun:
            worker.requestEnded(self, status: Int(self.status))
            conclude(.over)
            carrier.breakOff()
        case .upgraded:
            webSocket?.close(.internalError)
        case .over, .clientLeft:
            break
        }
    }
}

// A connection on which a web server speaks uwsgi, SCGI or FastCGI: variables become an exchange, one at a time, and
// the answer goes back in the form that the server expects. Only FastCGI goes on with another request afterwards. What
// HTTP means is decided where it is for HTTP/1.1.

import EvLoop
import GatewayProtocols
import HTTP1
import HTTPCore
import Logging

/// What is spoken on a listening socket in place of HTTP.
package enum GatewayProtocol: String, CaseIterable, Sendable {
    case uwsgi, scgi, fastcgi
}

final class GatewayConnection: Connection {
    let spoken: GatewayProtocol
    /// Variables that are not whole (uwsgi, SCGI).
    private var partial: [UInt8] = []
    /// FastCGI alone.
    private var decoder: FastCGIDecoder
    /// Variables that do not say whether there is a body: its first byte does, or its end.
    private var undecided: GatewayVariables?
    private(set) var running: Exchange?
    /// The body comes without its length, and is put into chunks for whoever reads it.
    private var makesChunks = false
    /// Bytes of a body that nobody has read, and that may still be swallowed.
    private var unreadAllowance = 0
    /// When the first bytes of the present request came.
    private var since = EventLoop.coarseNow()
    var encoder = ResponseEncoder(isGateway: true)
    private var sentBeforeGrace: UInt64 = 0

    init(
        _ transport: Transport, _ peer: PeerAddress, _ listener: Listener, _ worker: Worker, _ spoken: GatewayProtocol
    ) {
        self.spoken = spoken
        decoder = FastCGIDecoder(worker.configuration.variableLimits)
        super.init(transport, peer, listener, worker)
    }

    override var exchange: Exchange? { running }
    func replaceRunning(with exchange: Exchange) { running = exchange }
    override var isIdle: Bool { running == nil }
    override var isSilent: Bool { partial.isEmpty && decoder.isAtStart }
    override var isFull: Bool { running?.hasFullBuffer ?? false }
    override var waitsForTransport: Bool { running?.waitsForTransport == true }
    override var lossPhase: DisconnectPhase? {
        if let running {
            // One that has ended its body too early is counted already.
            return running.headWasSent ? .response : running.isBodyComplete ? .app : isHalfClosed ? nil : .body
        }
        if !isSilent { return .head }
        return output.isWaiting ? .response : isEnding ? nil : .idle
    }
    /// When the variables began that are not whole; nil where there are none.
    var headSince: Double? { running == nil && !isSilent && !isSwallowing ? since : nil }
    /// The rest of a body that nobody wants is read.
    var isSwallowing: Bool { running == nil && undecided == nil && decoder.isInBody }
    override var endsWithClose: Bool {
        running.map { $0.headWasSent && encoder.framing == .untilClose && spoken != .fastcgi } ?? false
    }
    /// Of the answer in FastCGI's frames; 1, which is what servers use, where none has been told.
    var requestID: UInt16 { max(decoder.requestID, 1) }

    override func begun() { worker.deadlines.begin(.head, self) }

    // MARK: reading

    override func received(_ bytes: UnsafeRawBufferPointer) {
        guard isAllowed() else { return }
        if running == nil, isSilent { since = EventLoop.coarseNow() }
        if spoken == .fastcgi { receivedRecords(bytes) } else { receivedPacket(bytes) }
        updateInterest()
    }

    /// Whether the peer may speak the protocol: what it says of its clients is believed.
    private func isAllowed() -> Bool {
        if peer.isUnix || worker.configuration.gatewaySenders.contains(peer) { return true }
        let reason: StaticString = "its sender is not in --uwsgi-allow-from"
        worker.gatewayNotes.warn(reason, self)
        refuse(status: 403, reason)
        return false
    }

    private func receivedPacket(_ bytes: UnsafeRawBufferPointer) {
        if let running {
            // Behind the body nothing is expected, and nothing is read as a request.
            _ = running.receiveBody(bytes)
            return
        }
        partial.append(contentsOf: bytes)
        let all = partial
        let limits = worker.configuration.variableLimits
        let outcome = all.withUnsafeBytes {
            spoken == .uwsgi ? UWSGIPacket.parse($0, limits) : SCGIPacket.parse($0, limits)
        }
        switch outcome {
        case .needMoreData:
            // The time of a head counts from its first byte, whatever the connection waited for before.
            if wait != .head { worker.deadlines.begin(.head, self) }
        case .failure(let error): refuse(.gateway(error))
        case .request(let variables, let consumed):
            partial = []
            all[consumed...].withUnsafeBytes { begin(variables, body: $0) }
        }
    }

    private func receivedRecords(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        while !isEnding {
            switch decoder.next(bytes, from: &offset) {
            case .needMoreData: return awaitRecords()
            case .request(let variables):
                // A server that is still to be sent the last answer cannot have seen its end.
                guard !output.isWaiting else { return abort() }
                if variables.filled("CONTENT_LENGTH") == nil { undecided = variables } else { begin(variables) }
            case .body(let range): receivedBody(UnsafeRawBufferPointer(rebasing: bytes[range]))
            case .bodyEnd: bodyEnded()
            case .abort:
                let exchange = running
                (running, undecided) = (nil, nil)
                exchange?.clientLeft()
                answerEnded()
            case .reply(let reply):
                // Nobody asks so much and reads nothing.
                guard output.count < worker.highWaterMark else { return abort() }
                reply.withUnsafeBytes { transmit($0) }
            case .failure(let error):
                // What has been sent of an answer cannot be taken back.
                if running == nil { refuse(.gateway(error)) } else { abort() }
            }
        }
    }

    /// The variables of a request have the time of a head.
    private func awaitRecords() {
        guard running == nil else { return }
        if decoder.isAtStart {
            if wait == .active { becameIdle() }
        } else if undecided != nil || !decoder.isInBody, wait != .head {
            worker.deadlines.begin(.head, self)
        }
    }

    /// - Parameter body: of it, what has come behind the variables.
    private func begin(
        _ variables: GatewayVariables, hasOpenBody: Bool = false,
        body: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) {
        do throws(GatewayHead.Refusal) {
            let head = try GatewayHead(variables, parser: worker.parser, hasOpenBody: hasOpenBody)
            makesChunks = hasOpenBody
            let exchange = Exchange(head, .other(self))
            running = exchange
            worker.deadlines.begin(.active, self)
            _ = exchange.receiveBody(body)
            exchange.run()
        } catch {
            refuse(error, variables.requestLine)
        }
    }

    private func receivedBody(_ bytes: UnsafeRawBufferPointer) {
        if let variables = undecided {
            undecided = nil
            begin(variables, hasOpenBody: true)
        }
        guard let running else {
            unreadAllowance -= bytes.count
            if unreadAllowance < 0 { close(linger: true) }
            return
        }
        guard makesChunks else {
            _ = running.receiveBody(bytes)
            return
        }
        give(Array((String(bytes.count, radix: 16) + "\r\n").utf8), to: running)
        _ = running.receiveBody(bytes)
        give([13, 10], to: running)
    }

    private func give(_ frame: [UInt8], to exchange: Exchange) {
        frame.withUnsafeBytes { _ = exchange.receiveBody($0) }
    }

    private func bodyEnded() {
        if let variables = undecided {
            undecided = nil
            return begin(variables)
        }
        guard let running else { return becameIdle() }
        if makesChunks { give(Array("0\r\n\r\n".utf8), to: running) }
        // Fewer bytes than CONTENT_LENGTH says.
        if !running.isBodyComplete { running.inputEnded() }
    }

    // MARK: the other end leaves

    /// A web server closes when its client has gone. One that only says that it sends no more gets its answer, where
    /// that does not take longer than the grace.
    override func inputEnded() {
        guard let running else {
            if !output.isWaiting { worker.noteDisconnect(lossPhase) }
            return output.isWaiting ? close(linger: false) : closeNow()
        }
        updateInterest()
        sentBeforeGrace = running.bodySent
        worker.deadlines.begin(.halfClose, self)
        running.inputEnded()
    }

    override func peerLeft() {
        let exchange = running
        running = nil
        exchange?.clientLeft()
    }

    override func outputTaken() {
        if isDrained { running?.outputDrained() }
        if running == nil, !isEnding, wait == .active, !output.isWaiting { becameIdle() }
    }

    override func willClose() { (partial, undecided) = ([], nil) }

    // MARK: the end of a response

    func responseFinished(isShort: Bool) {
        guard let exchange = running else { return }
        running = nil
        if output.isWaiting { answered = (exchange.head, exchange.startedAt) }
        // A short answer has no end in its frames either: the web server sees that something is missing.
        guard spoken == .fastcgi, !isShort else { return close(linger: !exchange.isBodyComplete) }
        answerEnded()
    }

    /// Says that the request is over, and goes on with the next one where the web server wants that.
    private func answerEnded() {
        let keeps = worker.keepsConnections && !isHalfClosed && !isSpare
        // Nothing else says that this was the last answer: a server that has seen it must see that the connection ends
        // before it sends the next request.
        if decoder.keepsConnection, !keeps, output.isEmpty { transport.holdUntilEnd() }
        FastCGIRecord.answerEnd(requestID).withUnsafeBytes { transmit($0) }
        guard !isEnding else { return }
        guard keeps, decoder.keepsConnection else { return close(linger: decoder.isInBody) }
        decoder.finished()
        if decoder.isInBody {
            unreadAllowance = worker.configuration.drainLimit
            worker.deadlines.begin(.linger, self)
        } else {
            becameIdle()
        }
        updateInterest()
    }

    private func becameIdle() { worker.deadlines.begin(output.isWaiting ? .active : .keepAlive, self) }

    func breakOff() {
        running = nil
        // No end of a request, and no length: the web server sees that something is missing.
        closeNow(reset: true)
    }

    // MARK: refusing

    private func refuse(_ refusal: GatewayHead.Refusal, _ line: [UInt8] = []) {
        if case .gateway(let error) = refusal { worker.gatewayNotes.warn(error.detail, self) }
        refuse(status: refusal.status, refusal.detail, line)
    }

    /// - Parameter line: the request's, for the log.
    private func refuse(status: Int, _ reason: StaticString, _ line: [UInt8] = []) {
        worker.noteRefusal(Refusal(status: status), status: status)
        let identifier = worker.tracing?.freshID()
        var metadata: Logger.Metadata = [
            "status": "\(status)", "reason": "\(reason)", "peer": "\(peer.host)", "protocol": "\(spoken)",
        ]
        if let identifier { metadata["request_id"] = "\(String(decoding: identifier, as: UTF8.self))" }
        worker.logger.debug("Refused a request", metadata: metadata)
        let body = worker.prepareError(status)
        let (length, announced) = ResponseLength.of(
            worker.responseHead.pointee, given: UInt64(body.count), requestIsHead: false)
        let own = identifier.flatMap { $0.withUnsafeBytes { worker.tracing?.line(for: $0) } }
        let fields = send(
            worker.responseHead.pointee, length, announced, body,
            adding: own ?? UnsafeRawBufferPointer(start: nil, count: 0))
        if let log = worker.accessLog {
            line.withUnsafeBytes { line in
                log.append(
                    refused: line, of: self, since: since, status: status, bodyBytes: UInt64(body.count),
                    sentLines: UnsafeRawBufferPointer(rebasing: worker.writer.bytes[fields...]),
                    identifier: identifier)
            }
        }
        if spoken == .fastcgi { FastCGIRecord.answerEnd(requestID).withUnsafeBytes { transmit($0) } }
        close(linger: true)
    }

    // MARK: time

    override func expired(_ wait: Wait) {
        switch wait {
        case .head: isSilent ? closeNow() : refuse(status: 408, "the variables did not arrive in time")
        case .body:
            guard let running else { return closeNow() }
            worker.deadlines.begin(running.bodyWindowExpired() ? .body : .active, self)
        case .keepAlive: _ = closeIfStillIdle()
        case .halfClose:
            guard let running else { return closeNow() }
            guard running.bodySent != sentBeforeGrace else { return gone() }
            sentBeforeGrace = running.bodySent
            worker.deadlines.begin(.halfClose, self)
        case .linger:
            if output.isWaiting { worker.deadlines.begin(.linger, self) } else { closeNow() }
        case .handshake, .active, .held, .write, .ping, .pong, .streams: break
        }
    }
}

/// What is said once of each reason for which requests of web servers are refused: a setting of theirs may be wrong.
@LoopActor
final class GatewayNotes {
    private var told: Set<String> = []

    func warn(_ reason: StaticString, _ connection: GatewayConnection) {
        guard told.insert("\(reason)").inserted else { return }
        let peer = connection.peer
        connection.worker.logger.warning(
            "Refused a request by \(connection.spoken): \(reason)",
            metadata: ["peer": "\(peer.isUnix ? "unix" : peer.host)"])
    }
}

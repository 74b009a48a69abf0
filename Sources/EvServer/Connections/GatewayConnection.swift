// A connection on which a web server speaks uwsgi, SCGI or FastCGI: variables become an exchange, one at a time, and the
// answer goes back in the form that the server expects. Only FastCGI goes on with another request afterwards. What HTTP
// means is decided where it is for HTTP/1.1.

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
    private(set) var running: Exchange?
    /// The body comes without its length, and is put into chunks for whoever reads it.
    private var makesChunks = false
    /// A request has been answered, and nothing that still comes is of use.
    private var isAnswered = false
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
    override var isIdle: Bool { running == nil }
    override var isSilent: Bool { partial.isEmpty && !decoder.isRunning }
    override var isFull: Bool { running?.hasFullBuffer ?? false }
    override var waitsForTransport: Bool { running?.waitsForTransport == true }
    override var endsWithClose: Bool {
        running.map { $0.headWasSent && encoder.framing == .untilClose && spoken != .fastcgi } ?? false
    }
    /// Of the answer in FastCGI's frames.
    var requestID: UInt16 { decoder.requestID }

    override func begun() { worker.deadlines.begin(.head, self) }

    // MARK: reading

    override func received(_ bytes: UnsafeRawBufferPointer) {
        guard isAllowed() else { return }
        if spoken == .fastcgi { receivedRecords(bytes) } else { receivedPacket(bytes) }
        updateInterest()
    }

    /// Whether the peer may speak the protocol: what it says of its clients is believed.
    private func isAllowed() -> Bool {
        if peer.isUnix || worker.configuration.gatewaySenders.contains(peer) { return true }
        refuse(status: 403, "a peer that is not in --uwsgi-allow-from")
        return false
    }

    private func receivedPacket(_ bytes: UnsafeRawBufferPointer) {
        if let running {
            // Behind the body nothing is expected, and nothing is read as a request.
            _ = running.receiveBody(bytes)
            return
        }
        guard !isAnswered else { return }
        partial.append(contentsOf: bytes)
        let all = partial
        let limits = worker.configuration.variableLimits
        let outcome = all.withUnsafeBytes {
            spoken == .uwsgi ? UWSGIPacket.parse($0, limits) : SCGIPacket.parse($0, limits)
        }
        switch outcome {
        case .needMoreData:
            if wait != .head { worker.deadlines.begin(.head, self) }
        case .failure(let error): refuse(.gateway(error))
        case .request(let variables, let consumed):
            partial = []
            begin(variables, endsBody: false)
            guard let running, consumed < all.count else { return }
            all[consumed...].withUnsafeBytes { _ = running.receiveBody($0) }
        }
    }

    private func receivedRecords(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        while !isEnding {
            switch decoder.next(bytes, from: &offset) {
            case .needMoreData:
                // The variables of a request have the time of a head, counted from their first byte.
                if running == nil, decoder.isRunning, wait != .head, !isAnswered {
                    worker.deadlines.begin(.head, self)
                }
                return
            case .request(let variables): begin(variables, endsBody: true)
            case .body(let range): receivedBody(UnsafeRawBufferPointer(rebasing: bytes[range]))
            case .bodyEnd: bodyEnded()
            case .abort:
                let exchange = running
                running = nil
                exchange?.clientLeft()
                answerEnded(keeps: true)
            case .reply(let reply): reply.withUnsafeBytes { transmit($0) }
            case .failure(let error): refuse(.gateway(error))
            }
        }
    }

    private func begin(_ variables: GatewayVariables, endsBody: Bool) {
        isAnswered = false
        do throws(GatewayHead.Refusal) {
            let head = try GatewayHead(variables, parser: worker.parser, endsBody: endsBody)
            makesChunks = head.head.framing == .chunked
            let exchange = Exchange(head, .other(self))
            running = exchange
            worker.deadlines.begin(.active, self)
            exchange.run()
        } catch {
            refuse(error)
        }
    }

    private func receivedBody(_ bytes: UnsafeRawBufferPointer) {
        guard let running else { return }
        guard makesChunks else {
            _ = running.receiveBody(bytes)
            return
        }
        let frame = Array((String(bytes.count, radix: 16) + "\r\n").utf8)
        frame.withUnsafeBytes { _ = running.receiveBody($0) }
        _ = running.receiveBody(bytes)
        "\r\n".utf8CString.withUnsafeBytes { _ = running.receiveBody(UnsafeRawBufferPointer(rebasing: $0[..<2])) }
    }

    private func bodyEnded() {
        guard let running else { return }
        if makesChunks {
            "0\r\n\r\n".utf8CString.withUnsafeBytes {
                _ = running.receiveBody(UnsafeRawBufferPointer(rebasing: $0[..<5]))
            }
        } else if !running.isBodyComplete {
            // Fewer bytes than CONTENT_LENGTH says.
            running.inputEnded()
        }
    }

    // MARK: the other end leaves

    /// A web server closes when its client has gone. One that only says that it sends no more gets its answer, where
    /// that does not take longer than the grace.
    override func inputEnded() {
        guard let running else { return output.isWaiting ? close(linger: false) : closeNow() }
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
        if output.isDrained(below: worker.highWaterMark / 2) { running?.outputDrained() }
        if running == nil, !isEnding, wait == .active, !output.isWaiting { worker.deadlines.begin(.keepAlive, self) }
    }

    override func willClose() { partial = [] }

    // MARK: the end of a response

    func responseFinished(isShort: Bool) {
        guard let exchange = running else { return }
        running = nil
        isAnswered = true
        let isWhole = exchange.isBodyComplete
        guard spoken == .fastcgi, !isShort else { return close(linger: !isWhole) }
        answerEnded(keeps: decoder.keepsConnection && worker.keepsConnections && !isHalfClosed)
    }

    /// Says that the request is over, and goes on with the next one.
    private func answerEnded(keeps: Bool) {
        isAnswered = true
        FastCGIRecord.answerEnd(decoder.requestID).withUnsafeBytes { transmit($0) }
        decoder.finished()
        guard !isEnding else { return }
        guard keeps, decoder.keepsConnection else { return close(linger: true) }
        worker.deadlines.begin(output.isWaiting ? .active : .keepAlive, self)
        updateInterest()
    }

    func breakOff() {
        running = nil
        // No end of a request, and no length: the web server sees that something is missing.
        closeNow(reset: true)
    }

    // MARK: refusing

    private func refuse(_ refusal: GatewayHead.Refusal) {
        if case .gateway(.modifier) = refusal { worker.gatewayNotes.warnOfModifier(peer, worker.logger) }
        refuse(status: refusal.status, refusal.detail)
    }

    private func refuse(status: Int, _ reason: StaticString) {
        worker.logger.debug(
            "Refused a request",
            metadata: ["status": "\(status)", "reason": "\(reason)", "peer": "\(peer.host)", "protocol": "\(spoken)"])
        let body = worker.prepareError(status)
        let length = ResponseLength.of(worker.responseHead.pointee, given: UInt64(body.count), requestIsHead: false)
        send(worker.responseHead.pointee, length.0, length.1, body)
        if spoken == .fastcgi {
            FastCGIRecord.answerEnd(decoder.requestID).withUnsafeBytes { transmit($0) }
        }
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
        case .active, .write, .ping, .pong: break
        }
    }
}

/// What is said once of the web servers in front of this worker.
@LoopActor
final class GatewayNotes {
    private var hasWarned = false

    func warnOfModifier(_ peer: PeerAddress, _ logger: Logger) {
        guard !hasWarned else { return }
        hasWarned = true
        logger.warning(
            "Refused a request that is not uwsgi with modifier1 0: is plain HTTP sent here, or another modifier?",
            metadata: ["peer": "\(peer.isUnix ? "unix" : peer.host)"])
    }
}

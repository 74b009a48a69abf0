// What a connection does now, read from what it and its request know anyway: nothing is kept for the table.

import EvLoop
import HTTPCore

/// How a table describes connections.
struct RecordOptions {
    /// Bytes of a request's target.
    let targetLimit: Int
    /// By `Application.waiting(atMost:)`.
    let waiting: Set<UnsafeMutableRawPointer>?
}

extension Connection {
    func ownRecord(_ options: RecordOptions) -> ConnectionRecord? {
        // What a tunnel leads to is shown, and not the tunnel.
        guard !isClosed, !(self is HTTP2Tunnel) else { return nil }
        var record = ConnectionRecord(id: transport.fileDescriptor, peer: peer)
        if !listener.socket.isUnix, let bytes = Socket.tcpBytes(transport.fileDescriptor) {
            (record.bytesIn, record.bytesOut) = (bytes.received, bytes.acknowledged)
        }
        if let exchange {
            record.since = exchange.startedAt
            record.show(exchange.head, options, worker.tracing)
            if trustsPeer || self is GatewayConnection { record.client = exchange.tellsClient(beside: peer) }
        } else if let hold, let head = hold.requestHead() {
            record.since = hold.startedAt
            record.show(head, options, worker.tracing)
        } else if let answered {
            record.since = answered.startedAt
            record.show(answered.head, options, worker.tracing)
        } else if let period = worker.deadlines.period(of: self) {
            (record.since, record.limit) = (period.since, period.seconds)
        }
        show(in: &record, options)
        record.listening = listeningRecord
        return record
    }

    private func show(in record: inout ConnectionRecord, _ options: RecordOptions) {
        if isEnding {
            record.state = .closing
            return output.isWaiting ? record.waitForReader(output.count) : (record.awaited = .close)
        }
        switch self {
        case let connection as HTTP1Connection: connection.showStage(in: &record, options)
        case let connection as GatewayConnection: connection.showStage(in: &record, options)
        case let socket as WebSocketConnection: socket.showStage(in: &record)
        case is TakenConnection: (record.state, record.awaited) = (.app, .takenByApp)
        case let connection as HTTP2Connection: connection.showStage(in: &record)
        case is ProxyPreface where isSilent: (record.state, record.awaited) = (.idle, .firstRequest)
        case is ProxyPreface: (record.state, record.awaited) = (.reading, .proxyHeader)
        case is TLSHandshake where isSilent: (record.state, record.awaited) = (.idle, .firstRequest)
        case is TLSHandshake: (record.state, record.awaited) = (.reading, .handshake)
        default: (record.state, record.awaited) = (.app, .app)
        }
    }
}

/// A connection with one request at a time.
@LoopActor
private protocol SerialStage: Connection {
    /// The rest of a body that nobody wants is read.
    var isSwallowing: Bool { get }
    /// When the head began that is not whole; nil where there is none.
    var headSince: Double? { get }
}

extension HTTP1Connection: SerialStage {}
extension GatewayConnection: SerialStage {}

extension SerialStage {
    fileprivate func showStage(in record: inout ConnectionRecord, _ options: RecordOptions) {
        if let exchange { return show(exchange, in: &record, options) }
        if hold != nil, !output.isWaiting {
            (record.state, record.awaited) = (.held, .published)
        } else if output.isWaiting {
            record.state = .writing
            record.waitForReader(output.count)
        } else if isSwallowing {
            (record.state, record.awaited) = (.reading, .unwantedBody)
        } else if let headSince {
            (record.state, record.awaited, record.since) = (.reading, .head, headSince)
        } else {
            (record.state, record.awaited) = (.idle, wait == .head ? .firstRequest : .nextRequest)
        }
    }
}

extension Connection {
    fileprivate func show(_ exchange: Exchange, in record: inout ConnectionRecord, _ options: RecordOptions) {
        if exchange.hold != nil, !output.isWaiting {
            (record.state, record.awaited) = (.held, .published)
        } else if exchange.app == .parked {
            (record.state, record.awaited) = (.parked, .news)
        } else if exchange.awaitsBody, let incoming = exchange.incoming {
            (record.state, record.awaited, record.amount) = (.reading, .body, incoming.received)
            if case .length(let length) = exchange.head.framing { record.total = length }
        } else if exchange.isQueued(options.waiting) {
            (record.state, record.awaited) = (.queued, .turn)
        } else if output.isWaiting || exchange.waitsForTransport {
            record.state = .writing
            record.waitForReader(output.count)
        } else {
            (record.state, record.awaited) = (.app, .app)
        }
    }
}

extension HTTP2Connection {
    fileprivate func showStage(in record: inout ConnectionRecord) {
        if output.isWaiting {
            record.state = .writing
            record.waitForReader(output.count)
        } else if wait == .head {
            (record.state, record.awaited) = isSilent ? (.idle, .firstRequest) : (.reading, .head)
        } else {
            (record.state, record.awaited) = (.idle, .nextRequest)
        }
    }
}

extension HTTP2Stream {
    func ownRecord(_ options: RecordOptions) -> ConnectionRecord? {
        guard !connection.isClosed, let exchange else { return nil }
        var record = ConnectionRecord(id: connection.transport.fileDescriptor, peer: connection.peer)
        record.since = exchange.startedAt
        record.show(exchange.head, options, connection.worker.tracing)
        if connection.trustsPeer { record.client = exchange.tellsClient(beside: connection.peer) }
        if waitingCount > 0 {
            record.state = .writing
            record.waitForReader(waitingCount)
        } else {
            connection.show(exchange, in: &record, options)
        }
        record.listening = listeningRecord
        return record
    }
}

extension WebSocketConnection {
    fileprivate func showStage(in record: inout ConnectionRecord) {
        record.state = .websocket
        if phase == .closing {
            (record.state, record.awaited) = (.closing, .closeFrame)
        } else if output.isWaiting {
            record.waitForReader(output.count)
        } else {
            record.awaited = isPaused ? .room : wait == .pong ? .sign : .message
        }
    }
}

extension Exchange {
    /// Somebody waits for bytes of the body.
    fileprivate var awaitsBody: Bool {
        guard let incoming, !isBodyComplete, incoming.error == nil else { return false }
        return incoming.collector != nil || incoming.waiter != nil || observers.wantsBody
    }

    fileprivate func isQueued(_ waiting: Set<UnsafeMutableRawPointer>?) -> Bool {
        guard app == .waiting else { return false }
        guard let waiting else { return true }
        return waiting.contains(Unmanaged.passUnretained(self).toOpaque())
    }

    /// Whom a trusted proxy, or a web server, names as the client; nil where it names none, or the peer itself.
    fileprivate func tellsClient(beside peer: PeerAddress) -> PeerAddress? {
        let told = client.endpoint
        return told.isUnix || told == peer ? nil : told
    }
}

extension ConnectionRecord {
    @LoopActor fileprivate mutating func show(
        _ head: RequestHead, _ options: RecordOptions, _ tracing: RequestTracing?
    ) {
        if let id = tracing?.requestID(of: head), !id.isEmpty { requestID = Array(id.prefix(128)) }
        method = head.withBytes(of: head.method) { Array($0.prefix(32)) }
        let target = head.target
        isCut = Int(target.count) > options.targetLimit
        self.target = head.withBytes(of: target) { Array($0.prefix(options.targetLimit)) }
    }

    fileprivate mutating func waitForReader(_ count: Int) {
        awaited = .reader
        amount = UInt64(count)
    }
}

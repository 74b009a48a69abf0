// A request that becomes a WebSocket: the 101, and the way from there. Its exchange lasts as long as the socket, so
// that the worker's report, the drain and the access log see a request that runs.

import EvLoop
import HTTP1
package import HTTPCore
import Logging
import WebSocketCodec

/// What a request for a WebSocket says: its exchange keeps it until the app has decided.
package final class WebSocketOffer: Sendable {
    /// The value of Sec-WebSocket-Accept.
    let accept: [UInt8]
    /// Those that the client prefers come first.
    package let subprotocols: [String]

    package init(_ accept: [UInt8], _ subprotocols: [String]) {
        self.accept = accept
        self.subprotocols = subprotocols
    }
}

extension Exchange {
    /// Of a request for a WebSocket that the app has not answered.
    package var offer: WebSocketOffer? {
        if case .offered(let offer) = upgrade { offer } else { nil }
    }

    /// What the connection has become, after a 101.
    package var webSocket: WebSocketConnection? { if case .socket(let socket) = upgrade { socket } else { nil } }

    /// The connection, where the app has taken it over.
    var taken: TakenConnection? { if case .taken(let connection) = upgrade { connection } else { nil } }

    /// Notes what a request for a WebSocket offers.
    ///
    /// - Returns: false for a request that has been answered, because it asks in a way that cannot be.
    package func readHandshake() -> Bool {
        switch Handshake.read(head) {
        case .none:
            break
        case _ where offer != nil:
            // Of a stream, whatever its other fields say.
            break
        case _ where !worker.configuration.webSocket.isServed:
            break
        case .asked(let accept, let subprotocols):
            upgrade = .offered(WebSocketOffer(accept, subprotocols))
        case .refused(let refusal):
            refuseWebSocket(refusal)
            return false
        }
        return true
    }

    /// Answers 101 and turns the connection into a WebSocket.
    ///
    /// - Parameters:
    ///   - subprotocol: one of those that the client has named, or nil.
    ///   - head: fields of the app's own; its status is ignored.
    /// - Returns: nil when the client has left, or has been answered.
    package func acceptWebSocket(
        subprotocol: String?, _ head: borrowing ResponseHead
    ) -> WebSocketConnection? {
        if case .other(let carrier) = carrier, let stream = carrier as? HTTP2Stream {
            return acceptWebSocket(on: stream, subprotocol, head)
        }
        guard let offer, case .http1(let connection) = carrier, beginUpgrade() else { return nil }
        // Its own times are those of the pings.
        deadline = .infinity
        let writer = worker.writer
        writer.removeAll(keepingCapacity: true)
        writer.append("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writer.append("Sec-WebSocket-Accept: ")
        offer.accept.withUnsafeBytes { writer.append($0) }
        if let subprotocol {
            writer.append("\r\nSec-WebSocket-Protocol: ")
            Array(subprotocol.utf8).withUnsafeBytes { writer.append($0) }
        }
        let deflate = negotiateDeflate()
        if let deflate {
            writer.append("\r\nSec-WebSocket-Extensions: ")
            Array(deflate.answer.utf8).withUnsafeBytes { writer.append($0) }
        }
        writer.append("\r\n")
        let fields = writer.count
        writer.append(head.lines)
        let lines = worker.clock.lines()
        if !head.hasDate { writer.append(lines.date) }
        if !head.hasServer { writer.append(lines.server) }
        writer.append(idLine(beside: head))
        writer.append("\r\n")
        if worker.logsResponseFields { sentLines = Array(writer.bytes[fields...]) }
        let socket = connection.upgrade(self, with: writer.bytes) { transport, peer, listener, worker in
            WebSocketConnection(transport, peer, listener, worker, request: self, deflate: deflate?.agreement)
        }
        guard let socket = socket as? WebSocketConnection else { return nil }
        becomes(socket)
        return socket
    }

    /// The stream of a CONNECT that was accepted (RFC 8441 section 5).
    private func acceptWebSocket(
        on stream: HTTP2Stream, _ subprotocol: String?, _ head: borrowing ResponseHead
    ) -> WebSocketConnection? {
        guard offer != nil, response == .awaited, let ends = Socket.pair() else { return nil }
        guard beginUpgrade() else { return nil }
        deadline = .infinity
        let deflate = negotiateDeflate()
        var lines = subprotocol.map { "sec-websocket-protocol: \($0)\r\n" } ?? ""
        if let deflate { lines += "sec-websocket-extensions: \(deflate.answer)\r\n" }
        stream.becomeTunnel(ends.0, head, Array(lines.utf8))
        let (peer, listener) = (stream.connection.peer, stream.connection.listener)
        let socket = WebSocketConnection(
            .plain(ends.1), peer, listener, worker, request: self, deflate: deflate?.agreement)
        becomes(socket)
        worker.begin(socket)
        return socket
    }

    /// Takes note of what a CONNECT asks for. False where that cannot be.
    func offerSocket() -> Bool {
        guard case .asked(let accept, let subprotocols) = Handshake.readConnect(head) else { return false }
        upgrade = .offered(WebSocketOffer(accept, subprotocols))
        return true
    }

    private func negotiateDeflate() -> (agreement: DeflateAgreement, answer: String)? {
        let configuration = worker.configuration.webSocket
        let lines = configuration.isCompressed ? head.values(of: "Sec-WebSocket-Extensions") : []
        if lines.isEmpty { return nil }
        let offers = lines.map { head.withBytes(of: $0) { Array($0) } }.joined(separator: [UInt8(ascii: ",")])
        return DeflateAgreement.negotiate(Array(offers), keepsContext: configuration.keepsContext)
    }

    /// Answers a request for a WebSocket that cannot be one (RFC 6455 sections 4.2.2 and 4.4).
    private func refuseWebSocket(_ refusal: Handshake.Refusal) {
        logger.debug("Refused a WebSocket", metadata: identifiers.merging(["reason": "\(refusal.reason)"]) { $1 })
        Counted.add(at: Counter.refusals + Refusal.webSocket.rawValue)
        do throws(ResponseHeadError) {
            var response = try ResponseHead(status: refusal.status)
            if refusal.status == 426 {
                try response.append("Upgrade", "websocket")
                try response.append("Connection", "upgrade")
                try response.append("Sec-WebSocket-Version", "13")
            }
            try response.append("Content-Type", "text/plain; charset=utf-8")
            var text = refusal.reason + "\n"
            text.withUTF8 { respond(response, body: UnsafeRawBufferPointer($0)) }
        } catch {
            fail()
        }
        taskEnded()
    }

    /// It has become a WebSocket, or the app has taken its connection: a response of the app's is dropped.
    package var hasUpgraded: Bool { webSocket != nil || taken != nil }

    /// The connection has become a socket, for as long as which the exchange lasts.
    private func becomes(_ socket: WebSocketConnection) {
        upgrade = .socket(socket)
        // Nobody needs the HTTP connection any more, and thousands may be kept.
        carrier = .other(socket)
    }

    // MARK: what the socket tells

    /// The answer is 101. Returns false when no answer is wanted any more.
    func beginUpgrade() -> Bool {
        guard response == .awaited else { return false }
        (response, status) = (.upgraded, 101)
        Counted.add(at: Counter.responses + 1)
        return true
    }

    /// The app has ended.
    func endUpgrade() {
        webSocket?.close(.normal)
        taken?.release()
        // Each knows the other.
        upgrade = .none
    }

    func socketSends(_ count: Int) { bodySent += UInt64(count) }

    /// There is a message, or the socket closes.
    func socketHasNews() {
        observers.body()
        webSocket?.tellReaders()
    }

    /// Ends a task that does not learn otherwise that its socket has ended.
    func cancelTask() { task?.cancel() }

    /// Nothing reaches the client any more, and nothing comes from it.
    func socketEnded() {
        guard response == .upgraded else { return }
        worker.accessLog?.append(self, status: Int(status), bodyBytes: bodySent)
        conclude(.over)
        wakeWriter()
        observers.body()
    }
}

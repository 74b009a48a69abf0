// A field section becomes an exchange, or is refused. What HTTP means is decided by the parser of HTTP/1.1.

import EvLoop
import HTTP1
import HTTP2
import HTTPCore
import Logging

extension HTTP2Connection {
    func begin(_ id: UInt32, _ section: RequestSection) {
        var parser = worker.parser
        let outcome = section.text.withUnsafeBytes { parser.parse($0) }
        switch outcome {
        case .head(let head, let consumed) where consumed == section.text.count:
            begin(id, head, section)
        case .failure(let error): refuse(id, error, section.text, hasBody: !section.endsStream)
        case .head, .needMoreData: session.reset(id, .protocolError)
        }
    }

    private func begin(_ id: UInt32, _ head: RequestHead, _ section: RequestSection) {
        guard hasRoomForRequests else {
            if let error = session.refuse(id) { fail(error) }
            return
        }
        let isConnect = !section.connectProtocol.isEmpty
        if isConnect, section.endsStream || String(decoding: section.connectProtocol, as: UTF8.self) != "websocket" {
            return refuse(id, HTTP1Error(.connectUnsupported), section.text, hasBody: !section.endsStream)
        }
        // The bytes of a WebSocket are no body.
        head.becomeHTTP2(hasOpenBody: !section.endsStream && !isConnect, isConnect: isConnect)
        // RFC 9113 section 8.1.1: no DATA follows, and some was announced.
        guard !section.endsStream || head.framing.isEmpty else { return session.reset(id, .protocolError) }
        let stream = HTTP2Stream(id, self, hasBody: !section.endsStream)
        let exchange = Exchange(head, .other(stream), on: self)
        guard !isConnect || exchange.offerSocket() else { return session.reset(id, .protocolError) }
        stream.begin(exchange)
        session.setOwner(stream, of: id)
        worker.deadlines.begin(.active, stream)
        exchange.run()
    }

    /// Answers a field section that cannot be served.
    func refuse(_ id: UInt32, _ error: HTTP1Error, _ text: [UInt8], hasBody: Bool) {
        let status = Int(error.statusHint)
        worker.noteRefusal(Refusal(status: status), status: status)
        let identifier = worker.tracing?.freshID()
        var metadata: Logger.Metadata = ["status": "\(status)", "reason": "\(error.detail)", "peer": "\(peer.host)"]
        if let identifier { metadata["request_id"] = "\(String(decoding: identifier, as: UTF8.self))" }
        worker.logger.debug("Refused a request", metadata: metadata)
        let body = worker.prepareError(status)
        let stream = HTTP2Stream(id, self, hasBody: hasBody)
        session.setOwner(stream, of: id)
        let own = identifier.flatMap { $0.withUnsafeBytes { worker.tracing?.line(for: $0) } }
        stream.respond(
            worker.responseHead.pointee, announced: UInt64(body.count), body,
            adding: own ?? UnsafeRawBufferPointer(start: nil, count: 0))
        if let log = worker.accessLog {
            // The request line, as it would be logged if it were served.
            let line = text.prefix { $0 != 13 }.dropLast(2)
            line.withUnsafeBytes { line in
                log.append(
                    refused: line, of: self, since: EventLoop.monotonicNow(), status: status,
                    bodyBytes: UInt64(body.count), sentLines: UnsafeRawBufferPointer(start: nil, count: 0),
                    identifier: identifier)
            }
        }
        stream.finished(isShort: false)
    }
}

// Heads that cannot be served: answered, logged, and the connection closes.

import EvLoop
import HTTP1
import HTTPCore
import Logging

extension HTTP1Connection {
    /// Answers a head that cannot be served and closes; its bytes are never looked at again.
    func refuse(_ error: HTTP1Error, _ received: UnsafeRawBufferPointer, since: Double?) {
        if TLSRecord.isHello(received) { return refuseHello() }
        refuse(status: Int(error.statusHint), received, since: since, reason: error.detail)
    }

    /// Whoever begins TLS here understands no answer.
    private func refuseHello() {
        Counted.add(at: Counter.refusals + Refusal.malformed.rawValue)
        worker.logger.debug(
            "Closed a connection that begins TLS where plain HTTP is spoken", metadata: ["peer": "\(peer.host)"])
        closeNow()
    }

    /// - Parameters:
    ///   - reason: for the log, where it is not obvious.
    ///   - refusal: nil for what the status says.
    ///   - explanation: the body, where the status does not say enough.
    func refuse(
        status: Int, _ received: UnsafeRawBufferPointer, since: Double?, reason: StaticString? = nil,
        as refusal: Refusal? = nil, explanation: StaticString? = nil
    ) {
        worker.noteRefusal(refusal ?? Refusal(status: status), status: status)
        // What the head says of an id is not known.
        let identifier = worker.tracing?.freshID()
        if let reason {
            var metadata: Logger.Metadata = ["status": "\(status)", "reason": "\(reason)", "peer": "\(peer.host)"]
            if let identifier { metadata["request_id"] = "\(String(decoding: identifier, as: UTF8.self))" }
            worker.logger.debug("Refused a request", metadata: metadata)
        }
        let body = worker.prepareError(status, explanation)
        let (length, announced) = ResponseLength.of(
            worker.responseHead.pointee, given: UInt64(body.count), requestIsHead: false)
        let own = identifier.flatMap { $0.withUnsafeBytes { worker.tracing?.line(for: $0) } }
        let lines = write(
            worker.responseHead.pointee, length, announced, version: .http11, keepAlive: false,
            adding: own ?? UnsafeRawBufferPointer(start: nil, count: 0))
        worker.writer.append(body)
        if let log = worker.accessLog {
            worker.writer.withUnsafeBytes { bytes in
                log.append(
                    refused: received, of: self, since: since ?? EventLoop.monotonicNow(), status: status,
                    bodyBytes: UInt64(body.count), sentLines: UnsafeRawBufferPointer(rebasing: bytes[lines...]),
                    identifier: identifier)
            }
        }
        transmit(worker.writer.bytes)
        close(linger: true)
    }
}

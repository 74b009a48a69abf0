// An exchange's answer in the form of a gateway protocol: to uwsgi a response of HTTP that ends with the connection, to
// SCGI and FastCGI one whose first line is the field `Status` (RFC 3875 section 6.3.3), and to FastCGI all of it in
// records.

import EvLoop
import GatewayProtocols
import HTTP1
import HTTPCore

extension GatewayConnection: ResponseCarrier {
    var connection: Connection { self }
    var framesFiles: Bool { spoken != .fastcgi }

    func respond(_ head: borrowing ResponseHead, of response: ResponseBeginning, _ body: UnsafeRawBufferPointer) {
        send(head, response.length, response.announced, body, keepsLinesOf: response.exchange)
    }

    func begin(_ head: borrowing ResponseHead, of response: ResponseBeginning, _ first: UnsafeRawBufferPointer) {
        send(head, response.length, response.announced, first, keepsLinesOf: response.exchange)
    }

    func send(
        _ head: borrowing ResponseHead, _ length: ResponseLength, _ announced: UInt64?,
        _ body: UnsafeRawBufferPointer, keepsLinesOf exchange: Exchange? = nil
    ) {
        let writer = worker.writer
        writer.removeAll(keepingCapacity: true)
        // Nothing is put into chunks: what follows has its length, or ends with the request.
        let lines = encoder.head(
            head, length: length, announced: announced, version: .http10, keepAlive: false,
            serverLines: worker.clock.lines(), into: writer)
        if worker.logsResponseFields { exchange?.sentLines = Array(writer.bytes[lines...]) }
        if spoken == .uwsgi { return transmit(writer.bytes, body) }
        // `HTTP/1.1 200 OK` is `Status: 200 OK` with one byte less.
        var text = [UInt8]("Status:".utf8)
        text.append(contentsOf: writer.bytes[8...])
        text.withUnsafeBytes { spoken == .scgi ? transmit($0, body) : transmitRecords($0, body) }
    }

    func write(_ bytes: UnsafeRawBufferPointer) {
        if spoken == .fastcgi { transmitRecords(bytes) } else { transmit(bytes) }
    }

    private func transmitRecords(_ parts: UnsafeRawBufferPointer...) {
        for part in parts {
            var rest = part
            while !rest.isEmpty, !isClosed {
                let count = min(rest.count, FastCGIRecord.largestContent)
                FastCGIRecord.output(requestID, count: count).withUnsafeBytes {
                    transmit($0, UnsafeRawBufferPointer(rebasing: rest[..<count]))
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }
    }

    func beginFile(count: Int) {}
    func endFile() {}
    func sendEnd() {}
    func finished(isShort: Bool) { responseFinished(isShort: isShort) }
    /// The web server has told the client already.
    func sendContinue() {}
    func bodyWasTaken() { updateInterest() }
    func bodyIsAwaited() { if wait == .active { worker.deadlines.begin(.body, self) } }
}

// An exchange's answer in the form of a gateway protocol: to uwsgi a response of HTTP that ends with the connection, to
// SCGI and FastCGI one whose first line is the field `Status` (RFC 3875 section 6.3.3), and to FastCGI all of it in
// records.

import EvLoop
import GatewayProtocols
import HTTP1
import HTTPCore

extension GatewayConnection: ResponseCarrier {
    var connection: Connection { self }
    var sendsFiles: Bool { spoken != .fastcgi }

    /// Bytes of an answer that are gathered in one piece with their frames.
    private static let copyLimit = 16_384

    func respond(_ head: borrowing ResponseHead, of response: ResponseBeginning, _ body: UnsafeRawBufferPointer) {
        begin(head, of: response, body)
    }

    func begin(_ head: borrowing ResponseHead, of response: ResponseBeginning, _ first: UnsafeRawBufferPointer) {
        let fields = send(head, response.length, response.announced, first, adding: response.lines(beside: head))
        if worker.logsResponseFields { response.exchange.sentLines = Array(worker.writer.bytes[fields...]) }
    }

    /// Sends a head, and bytes of the body. Alone, it leaves with what follows or before the loop waits again.
    ///
    /// - Returns: where in the writer its field lines begin.
    func send(
        _ head: borrowing ResponseHead, _ length: ResponseLength, _ announced: UInt64?, _ body: UnsafeRawBufferPointer,
        adding lines: UnsafeRawBufferPointer
    ) -> Int {
        let writer = worker.writer
        writer.removeAll(keepingCapacity: true)
        // Nothing is put into chunks: what follows has its length, or ends with the request.
        let fields = encoder.head(
            head, length: length, announced: announced, version: .http10, keepAlive: false,
            serverLines: worker.clock.lines(adding: lines), into: writer)
        if spoken == .uwsgi {
            put(writer.bytes, body)
        } else {
            let text = Self.document(writer.bytes, fieldsAt: fields)
            if spoken == .scgi {
                text.withUnsafeBytes { put($0, body) }
            } else {
                let record = FastCGIRecord.output(requestID, count: text.count) + text
                record.withUnsafeBytes { deferBytes($0) }
                if body.count <= Self.copyLimit { transmitRecords(body, isDeferred: true) } else { write(body) }
            }
        }
        return fields
    }

    private func put(_ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer) {
        if body.isEmpty { deferBytes(head) } else { transmit(head, body) }
    }

    /// A head with the field `Status` in place of the status line. A field of this name that the app has given would
    /// count as well, and is left out.
    private static func document(_ head: UnsafeRawBufferPointer, fieldsAt: Int) -> [UInt8] {
        // `Status: 200 OK` in place of `HTTP/1.1 200 OK`.
        var text = Array("Status:".utf8)
        text.append(contentsOf: head[8..<fieldsAt])
        let fields = UnsafeRawBufferPointer(rebasing: head[fieldsAt...])
        let status = Array("status".utf8)
        guard FieldBlock.value(of: status, in: fields) != nil else { return text + fields }
        var rest = fields[...]
        while let end = rest.firstIndex(of: 10) {
            let line = rest[...end]
            let name = UnsafeRawBufferPointer(rebasing: line.prefix { $0 != UInt8(ascii: ":") })
            if !name.equalsIgnoringCase(status) { text.append(contentsOf: line) }
            rest = rest[(end + 1)...]
        }
        return text
    }

    func write(_ bytes: UnsafeRawBufferPointer) {
        if spoken == .fastcgi { transmitRecords(bytes, isDeferred: false) } else { transmit(bytes) }
    }

    private func transmitRecords(_ bytes: UnsafeRawBufferPointer, isDeferred: Bool) {
        var rest = bytes
        while !rest.isEmpty, !isClosed {
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(FastCGIRecord.largestContent))
            FastCGIRecord.output(requestID, count: part.count).withUnsafeBytes { header in
                guard isDeferred else { return transmit(header, part) }
                deferBytes(header)
                deferBytes(part)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[part.count...])
        }
    }

    /// The head goes before the file.
    func beginFile(count: Int) { transmit(UnsafeRawBufferPointer(start: nil, count: 0)) }
    func endFile() {}
    func sendEnd(trailers: UnsafeRawBufferPointer) {}
    func finished(isShort: Bool) { responseFinished(isShort: isShort) }
    /// The web server has told the client already.
    func sendContinue() {}
    func bodyWasTaken() { updateInterest() }
    func beginHold() { if wait != .halfClose { worker.deadlines.begin(.held, self) } }
    func goesOn(with exchange: Exchange) {
        replaceRunning(with: exchange)
        if wait == .held { worker.deadlines.begin(.active, self) }
    }
    func bodyIsAwaited() { if wait == .active { worker.deadlines.begin(.body, self) } }
}

// An exchange's response as frames of HTTP/2. The fields are the app's block of lines, split again and compressed; the
// body goes into DATA frames as far as the windows allow, and waits here beyond that.

import EvLoop
import HTTP1
import HTTP2
import HTTPCore

extension HTTP2Stream: ResponseCarrier {
    var sendsFiles: Bool { false }

    private static var nothing: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

    // MARK: the head

    /// Writes HEADERS to the worker's writer.
    private func write(
        status: Int, _ blocks: FieldEncoder.Blocks, ends: Bool
    ) {
        let writer = worker.writer
        writer.removeAll(keepingCapacity: true)
        let header = FrameHeader.byteCount
        let resets = carrier.session.resetsTable
        carrier.session.resetsTable = false
        writer.append(upTo: FieldEncoder.bound(blocks)) { room in
            let count = worker.fieldEncoder.encode(
                status: status, blocks, resetsTable: resets,
                to: UnsafeMutableRawBufferPointer(rebasing: room[header...]))
            let frame = UnsafeMutableRawBufferPointer(rebasing: room[..<(header + count)])
            if count <= carrier.session.maxFrameSize { carrier.session.writeHeaders(id, in: frame, ends: ends) }
            return frame.count
        }
        guard writer.count - header > carrier.session.maxFrameSize else { return }
        let frames = carrier.session.headers(
            id, UnsafeRawBufferPointer(rebasing: writer.bytes[header...]), ends: ends)
        writer.removeAll(keepingCapacity: true)
        frames.withUnsafeBytes { writer.append($0) }
    }

    /// Writes the head of the answer to the worker's writer.
    private func writeHead(
        _ head: borrowing ResponseHead, announced: UInt64?, adding more: UnsafeRawBufferPointer, ends: Bool
    ) {
        let lines = worker.clock.lines(adding: more)
        let length = announced.map { "content-length: \($0)\r\n" } ?? ""
        Array(length.utf8).withUnsafeBytes { length in
            write(
                status: head.status,
                FieldEncoder.Blocks(
                    head.lines, length: length, date: head.hasDate ? Self.nothing : lines.date,
                    server: head.hasServer ? Self.nothing : lines.server, more: lines.more),
                ends: ends)
        }
        if ends {
            hasSentEnd = true
            carrier.session.sentEnd(id)
        }
    }

    func begin(_ head: borrowing ResponseHead, of response: ResponseBeginning, _ first: UnsafeRawBufferPointer) {
        guard !isOver else { return }
        // An interim response is no answer here, and 101 means nothing (section 8.6).
        guard head.status >= 200 else { return breakOff() }
        due = response.announced
        let ends = response.length.isNone || response.announced == 0
        writeHead(head, announced: response.announced, adding: response.lines(beside: head), ends: ends)
        noteFields(head, response)
        if first.isEmpty { carrier.send(worker.writer.bytes) } else { sendBody(first, isLast: false) }
    }

    func respond(_ head: borrowing ResponseHead, of response: ResponseBeginning, _ body: UnsafeRawBufferPointer) {
        guard !isOver else { return }
        guard head.status >= 200 else { return breakOff() }
        respond(head, announced: response.announced, body, adding: response.lines(beside: head))
        noteFields(head, response)
    }

    func respond(
        _ head: borrowing ResponseHead, announced: UInt64?, _ body: UnsafeRawBufferPointer,
        adding lines: UnsafeRawBufferPointer
    ) {
        // More may have been announced than there is; then nothing looks like the end.
        let isShort = announced.map { $0 > UInt64(body.count) } ?? false
        due = announced
        writeHead(head, announced: announced, adding: lines, ends: body.isEmpty)
        if body.isEmpty { carrier.send(worker.writer.bytes) } else { sendBody(body, isLast: !isShort) }
    }

    /// For an access log that shows fields of responses.
    private func noteFields(_ head: borrowing ResponseHead, _ response: ResponseBeginning) {
        guard worker.logsResponseFields else { return }
        let lines = worker.clock.lines(adding: response.lines(beside: head))
        var sent = Array(head.lines)
        if let announced = response.announced { sent += Array("Content-Length: \(announced)\r\n".utf8) }
        if !head.hasDate { sent += lines.date }
        if !head.hasServer { sent += lines.server }
        response.exchange.sentLines = sent + lines.more
    }

    /// The answer to a CONNECT.
    func sendAcceptance(_ head: borrowing ResponseHead, _ more: UnsafeRawBufferPointer) {
        let lines = worker.clock.lines()
        write(
            status: 200,
            FieldEncoder.Blocks(
                head.lines, length: Self.nothing, date: head.hasDate ? Self.nothing : lines.date,
                server: head.hasServer ? Self.nothing : lines.server, more: more),
            ends: false)
        carrier.send(worker.writer.bytes)
    }

    func sendContinue() { sendInterim(status: 100, Self.nothing) }
    func sendEarlyHints(_ lines: UnsafeRawBufferPointer) { sendInterim(status: 103, lines) }

    private func sendInterim(status: Int, _ lines: UnsafeRawBufferPointer) {
        guard !isOver else { return }
        write(
            status: status,
            FieldEncoder.Blocks(
                lines, length: Self.nothing, date: Self.nothing, server: Self.nothing, more: Self.nothing),
            ends: false)
        carrier.send(worker.writer.bytes)
    }

    // MARK: the body

    func write(_ bytes: UnsafeRawBufferPointer) {
        guard !isOver, !hasSentEnd else { return }
        worker.writer.removeAll(keepingCapacity: true)
        sendBody(bytes, isLast: false)
    }

    func sendEnd(trailers: UnsafeRawBufferPointer) {
        guard !isOver, !hasSentEnd, !endsWithPending else { return }
        if waitingCount > 0 {
            if trailers.isEmpty { endsWithPending = true } else { self.trailers = Array(trailers) }
            return
        }
        worker.writer.removeAll(keepingCapacity: true)
        if trailers.isEmpty { sendFrame(Self.nothing, isCut: false, ends: true) } else { write(trailers: trailers) }
        carrier.send(worker.writer.bytes)
    }

    /// Writes the section behind the body (RFC 9113 8.1) to the worker's writer, behind what is there.
    func write(trailers lines: UnsafeRawBufferPointer) {
        let blocks = FieldEncoder.Blocks(
            lines, length: Self.nothing, date: Self.nothing, server: Self.nothing, more: Self.nothing)
        let frames = withUnsafeTemporaryAllocation(byteCount: FieldEncoder.bound(blocks), alignment: 16) { room in
            let count = worker.fieldEncoder.encode(status: 0, blocks, resetsTable: false, to: room)
            return carrier.session.headers(id, UnsafeRawBufferPointer(rebasing: room[..<count]), ends: true)
        }
        frames.withUnsafeBytes { worker.writer.append($0) }
        hasSentEnd = true
        carrier.session.sentEnd(id)
    }

    /// Sends bytes of the body behind what is in the writer, as far as the windows and the transport take them.
    private func sendBody(_ bytes: UnsafeRawBufferPointer, isLast: Bool) {
        if let due { self.due = due - min(due, UInt64(bytes.count)) }
        let isLast = isLast || due == 0
        var rest = bytes
        if waitingCount == 0 {
            var room = worker.highWaterMark - carrier.output.count
            while !rest.isEmpty, room > 0 {
                let count = min(rest.count, room, carrier.session.sendable(id))
                guard count > 0 else { break }
                let part = UnsafeRawBufferPointer(rebasing: rest[..<count])
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                sendFrame(part, isCut: !rest.isEmpty, ends: isLast && rest.isEmpty)
                room -= count
            }
        }
        if !worker.writer.isEmpty { carrier.send(worker.writer.bytes) }
        guard !rest.isEmpty, !isOver else { return }
        keep(rest)
        if isLast { endsWithPending = true }
        carrier.pumpLater()
    }

    /// Writes one DATA frame to the worker's writer.
    func sendFrame(_ bytes: UnsafeRawBufferPointer, isCut: Bool, ends: Bool) {
        let writer = worker.writer
        FrameHeader.data(id, count: bytes.count, ends: ends).withUnsafeBytes { writer.append($0) }
        writer.append(bytes)
        if ends { hasSentEnd = true }
        if let error = carrier.session.sentData(id, count: bytes.count, isCut: isCut, ends: ends) {
            carrier.failLater(error)
        }
    }

    func beginFile(count: Int) {}
    func endFile() {}
    func bodyWasTaken() {
        creditTaken()
        carrier.sendFrames()
    }
    func beginHold() { worker.deadlines.begin(.held, self) }
    func goesOn(with exchange: Exchange) {
        begin(exchange)
        worker.deadlines.begin(.active, self)
    }
    func bodyIsAwaited() { if wait == .active { worker.deadlines.begin(.body, self) } }
}

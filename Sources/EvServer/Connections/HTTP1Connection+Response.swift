// An exchange's response as HTTP/1.1. What is put together in the worker's writer is sent, or kept, before the call
// returns: nothing of it outlives a call.

import EvLoop
import HTTP1
import HTTPCore

extension HTTP1Connection {
    /// Payloads up to this size are copied behind their framing, larger ones are sent from where they are.
    private static let copyLimit = 16_384

    /// Writes a head; returns where its field lines begin.
    func write(
        _ head: borrowing ResponseHead, _ length: ResponseLength, _ announced: UInt64?, version: HTTPVersion,
        keepAlive: Bool, adding lines: UnsafeRawBufferPointer
    ) -> Int {
        let writer = worker.writer
        writer.removeAll(keepingCapacity: true)
        return encoder.head(
            head, length: length, announced: announced, version: version, keepAlive: keepAlive,
            serverLines: worker.clock.lines(adding: lines), into: writer)
    }

    private func write(_ head: borrowing ResponseHead, _ response: ResponseBeginning) {
        let exchange = response.exchange
        let lines = write(
            head, response.length, response.announced, version: exchange.head.version,
            keepAlive: mayKeepAlive(exchange), adding: response.lines(beside: head))
        if worker.logsResponseFields {
            exchange.sentLines = Array(worker.writer.bytes[lines...])
        }
    }

    func respond(_ head: borrowing ResponseHead, of response: ResponseBeginning, _ body: UnsafeRawBufferPointer) {
        let writer = worker.writer
        write(head, response)
        if body.count <= Self.copyLimit {
            writer.append(body)
            transmit(writer.bytes)
        } else {
            transmit(writer.bytes, body)
        }
    }

    /// A head without a body leaves with the first bytes of the body or before the loop waits again.
    func begin(_ head: borrowing ResponseHead, of response: ResponseBeginning, _ first: UnsafeRawBufferPointer) {
        write(head, response)
        if first.isEmpty {
            deferBytes(worker.writer.bytes)
        } else {
            send(first)
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) {
        worker.writer.removeAll(keepingCapacity: true)
        send(bytes)
    }

    /// Sends bytes of the body behind what is in the writer.
    private func send(_ bytes: UnsafeRawBufferPointer) {
        let writer = worker.writer
        encoder.prefix(count: bytes.count, into: writer)
        if bytes.count <= Self.copyLimit {
            writer.append(bytes)
            encoder.suffix(into: writer)
            transmit(writer.bytes)
        } else {
            transmit(writer.bytes, bytes)
            endFile()
        }
    }

    func beginFile(count: Int) {
        let writer = worker.writer
        writer.removeAll(keepingCapacity: true)
        encoder.prefix(count: count, into: writer)
        transmit(writer.bytes)
    }

    func endFile() {
        let writer = worker.writer
        writer.removeAll(keepingCapacity: true)
        encoder.suffix(into: writer)
        if !writer.isEmpty { deferBytes(writer.bytes) }
    }

    func sendEnd(trailers: UnsafeRawBufferPointer) {
        let writer = worker.writer
        writer.removeAll(keepingCapacity: true)
        encoder.end(trailers, into: writer)
        transmit(writer.bytes)
    }

    func sendContinue() {
        transmit(ResponseEncoder.continueResponse.bytes)
    }

    func sendEarlyHints(_ lines: UnsafeRawBufferPointer) {
        let writer = worker.writer
        writer.removeAll(keepingCapacity: true)
        writer.append(ResponseEncoder.earlyHints)
        writer.append(lines)
        writer.append("\r\n")
        transmit(writer.bytes)
    }
}

package import EvLoop
import Glibc
import HTTPCore

/// Writes one line for each request, in batches of a turn of the loop.
@LoopActor
package final class AccessLog {
    private let file: LogFile
    private let format: AccessLogFormat
    private var buffer: [UInt8] = []
    private let processIdentifier = getpid()

    /// Lines are written early when so many bytes have gathered within a turn.
    private static let batch = 65_536
    /// Bytes that are shown of the request line of a refused head, which may be far too long.
    private static let refusedLine = 1024

    /// Whether a line needs the field lines of the response.
    let showsResponseFields: Bool

    package init(file: LogFile, format: AccessLogFormat) {
        self.file = file
        self.format = format
        showsResponseFields = format.showsResponseFields
    }

    func append(_ exchange: Exchange, status: Int, bodyBytes: UInt64) {
        let head = exchange.head
        head.withBytes { bytes in
            func slice(_ slice: ByteSlice) -> UnsafeRawBufferPointer {
                UnsafeRawBufferPointer(rebasing: bytes[slice.range])
            }
            var record = AccessLogRecord()
            record.remoteAddress = exchange.remote.host
            record.requestLine = head.withRequestLine { $0 }
            record.method = slice(head.method)
            record.path = slice(head.path)
            record.query = slice(head.query)
            record.version = head.version == .http11 ? "HTTP/1.1" : "HTTP/1.0"
            record.status = status
            record.bodyBytes = bodyBytes
            append(
                &record, since: exchange.startedAt, on: exchange.worker.loop,
                requestField: { name, use in
                    guard let field = head.fields.first(where: { slice($0.name).equalsIgnoringCase(name) }) else {
                        return
                    }
                    use(slice(field.value))
                },
                responseField: { name, use in
                    exchange.sentLines.withUnsafeBytes { lines in FieldBlock.value(of: name, in: lines).map(use) }
                })
        }
    }

    /// A head that is not served: of its request only the first line is shown, as far as it has come.
    /// - Parameter sentLines: the field lines of the answer.
    func append(
        refused received: UnsafeRawBufferPointer, of connection: Connection, since start: Double, status: Int,
        bodyBytes: UInt64, sentLines: UnsafeRawBufferPointer
    ) {
        var record = AccessLogRecord()
        record.remoteAddress = connection.peer.host
        let line = received.drop { $0 == 13 || $0 == 10 }.prefix(Self.refusedLine).prefix { $0 != 13 && $0 != 10 }
        record.requestLine = UnsafeRawBufferPointer(rebasing: line)
        record.version = "-"
        record.status = status
        record.bodyBytes = bodyBytes
        append(
            &record, since: start, on: connection.worker.loop, requestField: { _, _ in },
            responseField: { name, use in FieldBlock.value(of: name, in: sentLines).map(use) })
    }

    private func append(
        _ record: inout AccessLogRecord, since start: Double, on loop: EventLoop, requestField: AccessLogFieldLookup,
        responseField: AccessLogFieldLookup
    ) {
        record.time = time(nil)
        record.duration = max(0, EventLoop.monotonicNow() - start)
        record.processIdentifier = processIdentifier
        // Before the next poll the lines are written; a guest has to be told that there is one.
        if buffer.isEmpty { loop.noteChange() }
        format.append(record, to: &buffer, requestField: requestField, responseField: responseField)
        if buffer.count >= Self.batch { flush() }
    }

    package func flush() {
        guard !buffer.isEmpty else { return }
        buffer.withUnsafeBytes { file.write($0) }
        buffer.removeAll(keepingCapacity: true)
    }

    /// Continues in the file that has the log's path now.
    package func reopen() throws(SystemError) {
        flush()
        try file.reopen()
    }
}

extension UnsafeRawBufferPointer {
    /// ASCII comparison; `lowercase` must be in lower case.
    @inlinable package func equalsIgnoringCase(_ lowercase: some Collection<UInt8>) -> Bool {
        count == lowercase.count
            && zip(self, lowercase).allSatisfy { byte, expected in
                byte == expected || (65...90 ~= byte && byte | 0x20 == expected)
            }
    }
}

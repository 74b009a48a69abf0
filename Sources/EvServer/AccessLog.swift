package import EvLoop
import Glibc
import HTTP1

/// Writes one line for each request, in batches of a turn of the loop.
@LoopActor
package final class AccessLog {
    private let file: LogFile
    private let format: AccessLogFormat
    private var buffer: [UInt8] = []
    private let processIdentifier = getpid()

    /// Lines are written early when so many bytes have gathered within a turn.
    private static let batch = 65_536
    /// Bytes of the request line of a head that is refused; what is too long may be as long as it likes.
    private static let refusedLine = 1024

    private let showsResponseFields: Bool

    package init(file: LogFile, format: AccessLogFormat) {
        self.file = file
        self.format = format
        showsResponseFields = format.showsResponseFields
    }

    /// Copies the head that is in the worker's writer, if a line will want it.
    func keepHead(of exchange: Exchange) {
        guard showsResponseFields else { return }
        exchange.sentHead = exchange.worker.writer.withUnsafeBytes { Array($0) }
    }

    func append(_ exchange: Exchange, status: Int, bodyBytes: UInt64) {
        let head = exchange.head
        head.bytes.withUnsafeBytes { bytes in
            func slice(_ slice: ByteSlice) -> UnsafeRawBufferPointer {
                UnsafeRawBufferPointer(rebasing: bytes[slice.range])
            }
            var record = AccessLogRecord()
            record.remoteAddress = exchange.remoteAddress
            record.requestLine = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.firstIndex(of: 13) ?? bytes.count)])
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
                    exchange.sentHead.withUnsafeBytes { head in Self.value(of: name, in: head).map(use) }
                })
        }
    }

    /// A head that is not served: of its request only the first line is shown, as far as it has come. The answer is in
    /// the worker's writer.
    func append(
        refused received: UnsafeRawBufferPointer, of connection: Connection, since start: Double, status: Int,
        bodyBytes: UInt64
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
            responseField: { name, use in
                connection.worker.writer.withUnsafeBytes { head in Self.value(of: name, in: head).map(use) }
            })
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

    /// The value of a field, found in a head that the encoder has written: lines of `Name: value` up to an empty one.
    private static func value(of name: [UInt8], in head: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        var rest = UnsafeRawBufferPointer(rebasing: head[...])
        while let end = rest.firstIndex(of: 13), end > 0 {
            let line = UnsafeRawBufferPointer(rebasing: rest[..<end])
            if line.count > name.count + 1, line[name.count] == UInt8(ascii: ":"),
                UnsafeRawBufferPointer(rebasing: line[..<name.count]).equalsIgnoringCase(name)
            {
                return UnsafeRawBufferPointer(rebasing: line[(name.count + 1)...].drop { $0 == UInt8(ascii: " ") })
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[min(end + 2, rest.count)...])
        }
        return nil
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
    func equalsIgnoringCase(_ lowercase: some Collection<UInt8>) -> Bool {
        count == lowercase.count
            && zip(self, lowercase).allSatisfy { byte, expected in
                byte == expected || (65...90 ~= byte && byte | 0x20 == expected)
            }
    }
}

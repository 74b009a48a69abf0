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

    package init(file: LogFile, format: AccessLogFormat) {
        self.file = file
        self.format = format
    }

    func append(_ exchange: Exchange, status: Int, bodyBytes: UInt64) {
        let head = exchange.head
        // Before the next poll the lines are written; a guest has to be told that there is one.
        if buffer.isEmpty { exchange.worker.loop.noteChange() }
        head.bytes.withUnsafeBytes { bytes in
            func slice(_ slice: ByteSlice) -> UnsafeRawBufferPointer {
                UnsafeRawBufferPointer(rebasing: bytes[slice.range])
            }
            var record = AccessLogRecord()
            record.remoteAddress = exchange.remoteAddress
            record.time = time(nil)
            record.requestLine = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.firstIndex(of: 13) ?? bytes.count)])
            record.method = slice(head.method)
            record.path = slice(head.path)
            record.query = slice(head.query)
            record.version = head.version == .http11 ? "HTTP/1.1" : "HTTP/1.0"
            record.status = status
            record.bodyBytes = bodyBytes
            record.duration = max(0, EventLoop.monotonicNow() - exchange.startedAt)
            record.processIdentifier = processIdentifier
            format.append(
                record, to: &buffer,
                requestField: { name, use in
                    guard let field = head.fields.first(where: { slice($0.name).equalsIgnoringCase(name) }) else { return }
                    use(slice(field.value))
                })
        }
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
    func equalsIgnoringCase(_ lowercase: some Collection<UInt8>) -> Bool {
        count == lowercase.count
            && zip(self, lowercase).allSatisfy { byte, expected in
                byte == expected || (65...90 ~= byte && byte | 0x20 == expected)
            }
    }
}

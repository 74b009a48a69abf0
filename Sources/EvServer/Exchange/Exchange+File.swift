// Files as a body, from the disk to the socket without a copy in this process.

import EvLoop
import Glibc
import HTTPCore

extension Exchange {
    /// Bytes of a file that are sent at once, so that one download cannot keep the loop from its other connections.
    private static let filePiece = 1 << 20

    /// Sends bytes of a regular file by sendfile(2). The head must have been sent with a length that covers them.
    /// - Throws: `CancellationError` when the client leaves; `SystemError` when the file cannot be read, or is short.
    package func sendFile(fileDescriptor: Int32, offset: Int, count: Int) async throws {
        guard response == .begun else { return }
        let count = length.take(count)
        guard count > 0 else { return }
        carrier.beginFile(count: count)
        var position = Int64(offset)
        var left = count
        while left > 0 {
            guard !isGone else { throw CancellationError() }
            guard connection.output.isEmpty else {
                try await waitToWrite { .drained($0) }
                continue
            }
            let sent = connection.transport.sendFile(
                fileDescriptor, offset: &position, count: min(left, Self.filePiece))
            if sent > 0 {
                left -= sent
                bodySent += UInt64(sent)
                Counted.add(UInt64(sent), at: Counter.bytesSent)
                if left > 0 { await Task.yield() }
            } else if sent == 0 {
                throw SystemError("sendfile: the file is shorter than announced", errno: EIO)
            } else if sent == SocketError.wouldBlock {
                try await waitForTransport()
            } else if SocketError.isPeerGone(sent) {
                connection.gone()
                throw CancellationError()
            } else {
                throw SystemError("sendfile", errno: Int32(-sent))
            }
        }
        connection.stopWaitingForWriting()
        carrier.endFile()
    }

    private func waitForTransport() async throws {
        try await waitToWrite { continuation in
            writer = .transport(continuation)
            connection.waitForWriting()
            return writer
        }
    }
}

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
        if response == .instructing { return try instruct(fileDescriptor, from: offset, count: count) }
        guard response == .begun else { return }
        let count = length.take(count)
        guard count > 0 else { return }
        guard carrier.sendsFiles else { return try await copyFile(fileDescriptor, from: offset, count: count) }
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

    /// Takes a file for what an answer instructs.
    private func instruct(_ file: Int32, from offset: Int, count: Int) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)
        defer { piece.deallocate() }
        var taken = 0
        while taken < count {
            let read = pread(file, piece.baseAddress, min(piece.count, count - taken), off_t(offset + taken))
            if read < 0, errno == EINTR { continue }
            guard read > 0 else { throw SystemError("read", errno: read < 0 ? errno : EIO) }
            guard instruct(UnsafeRawBufferPointer(rebasing: piece[..<read])) == .ok else { throw CancellationError() }
            taken += read
        }
    }

    /// Reads the file and writes it, for a wire that has a frame around every piece.
    private func copyFile(_ file: Int32, from offset: Int, count: Int) async throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)
        defer { piece.deallocate() }
        var sent = 0
        while sent < count {
            let read = pread(file, piece.baseAddress, min(piece.count, count - sent), offset + sent)
            if read < 0, errno == EINTR { continue }
            guard read > 0 else { throw SystemError("read", errno: read < 0 ? errno : EIO) }
            guard !isGone else { throw CancellationError() }
            bodySent += UInt64(read)
            carrier.write(UnsafeRawBufferPointer(rebasing: piece[..<read]))
            sent += read
            try await drained()
            if sent % Self.filePiece < read { await Task.yield() }
        }
    }

    private func waitForTransport() async throws {
        try await waitToWrite { continuation in
            writer = .transport(continuation)
            connection.waitForWriting()
            return writer
        }
    }
}

// What a slow client has not read yet of a response, in an unlinked file, so that the thread that made the response
// need not wait for the client. Law: bytes leave in the order in which they came; disk space is bounded and is given
// back as the bytes are sent; no byte is lost when the file takes no more.

import EvLoop
import Glibc
import Logging

final class OutputSpool {
    /// Bytes that are read and sent at once.
    private static let piece = 65_536
    /// Pieces that are sent at once, so that one client cannot keep the loop from the others.
    private static let pieces = 16
    private static let page = 4096

    private let file: Int32
    private let limit: Int
    /// Bytes after which space is given back, a number of whole pages.
    private let freePiece: Int
    // Offsets in the file; the file system keeps what lies between `freed` and `written`.
    private var freed = 0
    private var sent = 0
    private var written = 0
    private var freesSpace = true
    /// What the file did not take, behind what it holds.
    private var rest: [UInt8] = []
    /// Why the file took no more, or could not be read.
    private(set) var failure: SystemError?

    /// - Parameters:
    ///   - file: an empty file; it is closed with the spool.
    ///   - limit: bytes on disk above which whoever writes is to wait.
    init(file: Int32, limit: Int) {
        self.file = file
        self.limit = limit
        freePiece = max(Self.page, min(1 << 20, limit / 4) / Self.page * Self.page)
    }

    deinit { Socket.close(file) }

    /// Bytes that have not been sent.
    var count: Int { written - sent + rest.count }
    var isFull: Bool { failure != nil || written - freed >= limit }

    /// - Parameter mark: bytes that may wait where the file takes no more.
    func isDrained(below mark: Int) -> Bool {
        failure == nil ? written - freed <= limit / 2 : count <= mark
    }

    func append(_ bytes: UnsafeRawBufferPointer) {
        var bytes = bytes
        while failure == nil, !bytes.isEmpty {
            let count = pwrite(file, bytes.baseAddress, bytes.count, off_t(written))
            if count < 0, errno == EINTR { continue }
            if count <= 0 {
                failure = SystemError("spooling a response", errno: count < 0 ? errno : ENOSPC)
            } else {
                written += count
                bytes = UnsafeRawBufferPointer(rebasing: bytes[count...])
            }
        }
        rest.append(contentsOf: bytes)
    }

    /// Sends what the transport takes now. Returns the result of its last call.
    ///
    /// The bytes are read and sent. sendfile(2) would lend the pages of the file to the socket, and giving their space
    /// back may fill pages with zeros that the peer has not received yet.
    func send(to transport: Transport) -> Int {
        guard sent < written else {
            let result = rest.withUnsafeBytes { transport.send($0) }
            if result > 0 { rest.removeFirst(result) }
            return result
        }
        return withUnsafeTemporaryAllocation(byteCount: Self.piece, alignment: 16) { buffer in
            var result = 0
            for _ in 0..<Self.pieces where sent < written {
                let count = read(into: buffer)
                guard count > 0 else { return -Int(EIO) }
                result = transport.send(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                guard result > 0 else { return result }
                sent += result
                free()
                if result < count { return result }
            }
            return result
        }
    }

    /// Takes bytes to send them in another way, as many as `buffer` has room for and are there; 0 where they cannot be
    /// read, which `failure` says.
    func take(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard sent < written else {
            let count = min(buffer.count, rest.count)
            rest[..<count].withUnsafeBytes { buffer.copyMemory(from: $0) }
            rest.removeFirst(count)
            return count
        }
        let count = max(0, read(into: buffer))
        sent += count
        free()
        return count
    }

    private func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            let count = pread(file, buffer.baseAddress, min(buffer.count, written - sent), off_t(sent))
            if count < 0, errno == EINTR { continue }
            if count <= 0 { failure = SystemError("reading a spooled response", errno: count < 0 ? errno : EIO) }
            return count
        }
    }

    private func free() {
        let end = sent / Self.page * Self.page
        guard freesSpace, end - freed >= freePiece else { return }
        // Where the file system cannot do so, all space is given back when all has been sent.
        freesSpace = TemporaryFile.freeBytes(of: file, from: freed, to: end)
        if freesSpace { freed = end }
    }
}

/// The spools of one worker's responses.
struct OutputSpools {
    /// Seconds after a failure in which no other file is tried.
    private static let pause = 10.0

    private let folders: [String]
    private let limit: Int
    private let logger: Logger
    private var pausedUntil = 0.0
    private var hasReported = false

    init(_ configuration: ServerConfiguration, _ logger: Logger) {
        folders = configuration.spool.folders
        limit = configuration.spoolLimit
        self.logger = logger
    }

    var areUsable: Bool { limit > 0 && EventLoop.coarseNow() >= pausedUntil }

    /// A spool in the first folder that can be used; nil when there is none.
    ///
    /// - Parameter share: the part of the limit that it may take, one in so many.
    mutating func open(share: Int = 1) -> OutputSpool? {
        guard areUsable else { return nil }
        var failure = SystemError("no folder", errno: ENOENT)
        for folder in folders {
            do throws(SystemError) {
                return OutputSpool(file: try TemporaryFile.open(in: folder), limit: limit / max(share, 1))
            } catch { failure = error }
        }
        failed(failure)
        return nil
    }

    /// Logged once.
    mutating func failed(_ error: SystemError) {
        pausedUntil = EventLoop.coarseNow() + Self.pause
        guard !hasReported else { return }
        hasReported = true
        logger.warning(
            "Cannot spool a response: its thread waits for the client",
            metadata: ["folders": "\(folders.joined(separator: " "))", "error": "\(error)"])
    }
}

// The bytes of one connection over TLS. Law: negative results are as those of `Socket`; a stream that has failed sends
// nothing more and is read only to be swallowed; what OpenSSL keeps is given back when the connection closes, although
// a request may know the stream for longer.

internal import CTLS
import EvLoop
import Glibc

package final class TLSStream {
    let fileDescriptor: Int32
    /// Nil when the connection is closed.
    private var session: OpaquePointer?
    /// What has come is not TLS as it should be, or the connection is gone.
    private var isBroken = false
    /// Bytes wait in memory, of which the socket does not tell.
    private(set) var hasMore = false
    /// They will be read without the socket's being ready.
    var isReadDue = false
    private(set) var readWaitsForWriting = false
    private(set) var writeWaitsForReading = false
    /// The peer is to be told that nothing more is sent, when the socket takes bytes again.
    private(set) var goodbyeWaits = false
    private var kernelSendsFiles = false
    /// What the app is told of it, from the first request that asks on.
    private var toldFacts: TLSFacts?

    /// For what is put together or read before it is encrypted, for the length of one call.
    private nonisolated(unsafe) static let scratch = UnsafeMutableRawBufferPointer.allocate(
        byteCount: 65_536, alignment: 16)
    /// Bytes of the largest record (RFC 8446 5.1).
    private static let record = 16_384

    /// - Parameter read: what has been read of the socket already. Nil without memory.
    init?(_ server: TLSServer, _ socket: Int32, read: UnsafeRawBufferPointer) {
        fileDescriptor = socket
        session = server.open(socket, read: read)
        guard session != nil else { return nil }
    }

    deinit { evg_tls_free(session) }

    var wants: IOEvents {
        (readWaitsForWriting || goodbyeWaits ? IOEvents.write : .none).union(writeWaitsForReading ? .read : .none)
    }

    enum Handshake {
        case done, waiting, lost
        case failed(String)
    }

    func handshake() -> Handshake {
        guard let session, !isBroken else { return .lost }
        let result = Int(evg_tls_handshake(session))
        readWaitsForWriting = result == EVG_TLS_WANTS_WRITE
        switch result {
        case 1:
            kernelSendsFiles = evg_tls_sends_files(session)
            return .done
        case EVG_TLS_WANTS_READ, EVG_TLS_WANTS_WRITE: return .waiting
        case EVG_TLS_FAILED:
            isBroken = true
            return .failed(TLSError.lastReason())
        default:
            isBroken = true
            return .lost
        }
    }

    // MARK: bytes

    @inline(never) func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard let session, !isBroken else { return Socket.read(fileDescriptor, into: buffer) }
        let count = evg_tls_read(session, buffer.baseAddress, buffer.count, &hasMore)
        readWaitsForWriting = count == EVG_TLS_WANTS_WRITE
        return result(count)
    }

    @inline(never) func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard let session, !isBroken else { return -Int(EPIPE) }
        let count = evg_tls_write(session, bytes.baseAddress, bytes.count)
        writeWaitsForReading = count == EVG_TLS_WANTS_READ
        return result(count)
    }

    /// The beginning of both shares a record, for a head and a small body are often all that there is.
    @inline(never) func send(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Int {
        guard first.count < Self.record else {
            let sent = send(first)
            guard sent == first.count else { return sent }
            return sum(sent, send(second))
        }
        let shared = min(Self.record - first.count, second.count)
        Self.scratch.copyMemory(from: first)
        UnsafeMutableRawBufferPointer(rebasing: Self.scratch[first.count...]).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: second[..<shared]))
        let count = first.count + shared
        let sent = send(UnsafeRawBufferPointer(rebasing: Self.scratch[..<count]))
        guard sent == count, shared < second.count else { return sent }
        return sum(sent, send(UnsafeRawBufferPointer(rebasing: second[shared...])))
    }

    /// What was sent stays sent; an error is told by the next call.
    private func sum(_ sent: Int, _ next: Int) -> Int { sent + max(next, 0) }

    /// By the kernel, where it encrypts; else read and sent piece by piece.
    @inline(never) func sendFile(_ file: Int32, offset: inout Int64, count: Int) -> Int {
        guard let session, !isBroken else { return -Int(EPIPE) }
        if kernelSendsFiles {
            let sent = result(evg_tls_send_file(session, file, off_t(offset), count))
            if sent > 0 { offset += Int64(sent) }
            return sent
        }
        var total = 0
        while total < count {
            let piece = pread(file, Self.scratch.baseAddress, min(Self.scratch.count, count - total), off_t(offset))
            if piece < 0, errno == EINTR { continue }
            guard piece > 0 else { return total > 0 || piece == 0 ? total : -Int(errno) }
            let sent = send(UnsafeRawBufferPointer(rebasing: Self.scratch[..<piece]))
            guard sent > 0 else { return total > 0 ? total : sent }
            offset += Int64(sent)
            total += sent
            if sent < piece { break }
        }
        return total
    }

    private func result(_ count: Int) -> Int {
        if count >= 0 { return count }
        if count == EVG_TLS_WANTS_READ || count == EVG_TLS_WANTS_WRITE {
            return SocketError.wouldBlock
        }
        isBroken = true
        return -Int(ECONNRESET)
    }

    // MARK: the end

    /// Tells the peer that nothing more is sent. False when the socket takes no bytes now; `wants` then asks for that.
    @inline(never) func sayGoodbye() -> Bool {
        guard let session, !isBroken else { return true }
        let result = Int(evg_tls_goodbye(session))
        goodbyeWaits = result == EVG_TLS_WANTS_WRITE
        if result <= 0, !goodbyeWaits { isBroken = true }
        return !goodbyeWaits
    }

    @inline(never) func shutdownWriting() {
        if sayGoodbye() { Socket.shutdownWriting(fileDescriptor) }
    }

    @inline(never) func close(reset: Bool) {
        if !reset { _ = sayGoodbye() }
        evg_tls_free(session)
        session = nil
        reset ? Socket.closeWithReset(fileDescriptor) : Socket.closeConnection(fileDescriptor)
    }

    // MARK: what was agreed upon

    /// By ALPN; nil where nothing was.
    var applicationProtocol: String? {
        var name: UnsafePointer<UInt8>?
        let count = session.map { evg_tls_protocol($0, &name) } ?? 0
        return count > 0 ? String(decoding: UnsafeBufferPointer(start: name, count: count), as: UTF8.self) : nil
    }

    /// In PEM; nil when the certificate has been replaced since the handshake. Valid until then.
    package var serverCertificate: UnsafePointer<CChar>? { session.flatMap { evg_tls_server_pem($0) } }

    /// Nil where the handshake was not done, or the connection has closed before somebody asked.
    package var facts: TLSFacts? {
        if toldFacts == nil, let session, evg_tls_cipher(session) != 0 { toldFacts = TLSFacts(session) }
        return toldFacts
    }
}

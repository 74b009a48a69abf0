// The stage before HTTP where TLS is spoken. OpenSSL has nothing to do with a connection before its first byte: one
// that never speaks costs what it costs without TLS. When the handshake is done, what was agreed upon by ALPN decides
// about the next stage. Law: plain HTTP gets an answer that says what is wrong, everything else that is no handshake
// gets none.

import EvLoop
import HTTPCore
import Logging

final class TLSHandshake: Connection {
    static let stage: Worker.Stage = { TLSHandshake($0, $1, $2, $3) }

    private let since = EventLoop.coarseNow()

    override func begun() { worker.deadlines.begin(.handshake, self) }

    override var isSilent: Bool { !isSecure }
    override var parcel: Parcel? { freshParcel }
    override var lossPhase: DisconnectPhase? { isSilent ? .idle : nil }

    override func readable() {
        switch transport {
        case .tls(let stream): goOn(stream.takeUnretainedValue())
        case .plain(let socket):
            if isEnding { return super.readable() }
            let count = Socket.peek(socket, into: worker.readBuffer)
            guard count > 0 else { return readFailed(count) }
            begin(UnsafeRawBufferPointer(rebasing: worker.readBuffer[..<count]), areRead: false)
        }
    }

    /// An earlier stage has read too much.
    override func received(_ bytes: UnsafeRawBufferPointer) { begin(bytes, areRead: true) }

    private func begin(_ bytes: UnsafeRawBufferPointer, areRead: Bool) {
        guard let first = bytes.first, !isEnding, case .plain(let socket) = transport else { return }
        guard TLSRecord.isHandshake(first) else { return refuse(bytes) }
        let read = areRead ? bytes : UnsafeRawBufferPointer(start: nil, count: 0)
        guard let server = worker.tls, let stream = TLSStream(server, socket, read: read) else { return closeNow() }
        secure(stream)
        goOn(stream)
    }

    private func goOn(_ stream: TLSStream) {
        if isEnding { return super.readable() }
        switch stream.handshake() {
        case .waiting: updateInterest()
        case .done: finish(stream)
        case .lost: gone()
        case .failed(let reason):
            note("A TLS handshake has failed", reason)
            // OpenSSL has told the client why.
            close(linger: true)
        }
    }

    private func finish(_ stream: TLSStream) {
        let stage = ApplicationProtocols.stage(named: stream.applicationProtocol)
        guard let next = become(stage, leftOver: UnsafeRawBufferPointer(start: nil, count: 0)) else { return }
        if worker.isDraining, next.isSilent { worker.deadlines.begin(.keepAlive, next) }
        // The first request may have come with the end of the handshake.
        next.readable()
        next.updateInterest()
    }

    private func refuse(_ bytes: UnsafeRawBufferPointer) {
        guard TLSRecord.looksLikeHTTP(bytes) else {
            note("Closed a connection that does not speak TLS", nil)
            return closeNow()
        }
        become({ HTTP1Connection($0, $1, $2, $3) }, leftOver: UnsafeRawBufferPointer(start: nil, count: 0))?
            .refuse(
                status: 400, bytes, since: since, reason: "plain HTTP where TLS is spoken",
                explanation: "This address speaks HTTPS, and the request came without TLS: write https://")
    }

    private func note(_ what: String, _ reason: String?) {
        var metadata: Logger.Metadata = ["peer": "\(peer.host)"]
        if let reason { metadata["reason"] = "\(reason)" }
        worker.logger.debug("\(what)", metadata: metadata)
    }

    /// To be called by a worker that leaves. One that speaks now has its time for the handshake.
    override func closeIfStillIdle() -> Bool {
        guard !isClosed else { return false }
        let wasSilent = isSilent
        if wasSilent { readable() }
        guard !isClosed else { return true }
        guard wasSilent, !isSilent, !isEnding else {
            if !isEnding { closeNow() }
            return isClosed
        }
        worker.deadlines.begin(.handshake, self)
        return false
    }

    override func expired(_ wait: Wait) {
        switch wait {
        case .handshake:
            if !isSilent { note("A TLS handshake did not end in time", nil) }
            closeNow()
        case .keepAlive: idleTooLong()
        default: closeNow()
        }
    }
}

/// What the first bytes of a connection are.
enum TLSRecord {
    /// The type of a record that begins a handshake (RFC 8446 5.1).
    static func isHandshake(_ byte: UInt8) -> Bool { byte == 22 }

    /// A method, or the empty line that some clients send before one.
    static func looksLikeHTTP(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.prefix(3).allSatisfy {
            (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                || $0 == 13 || $0 == 10
        }
    }

    /// Bytes that begin a handshake where plain HTTP is spoken. No request begins so.
    static func isHello(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count > 1 && isHandshake(bytes[0]) && bytes[1] == 3
    }
}

// The request body on its way from the connection to the app: decoded as it arrives, held up to a bound, handed over
// in pieces or collected. A body that does not come whole is an error to whoever reads it, never an end.

package import EvLoop
import Glibc
package import HTTP1
import HTTPCore

/// Why a request body could not be read to its end.
package enum RequestBodyError: Error, Equatable, Sendable {
    /// The framing is broken.
    case malformed(HTTP1Error)
    /// The client closed, or left, before the end.
    case truncated
    /// More than the configured limit.
    case tooLarge
    /// Too few bytes arrived in too long a time.
    case tooSlow
    /// It could not be spooled to a file.
    case spoolFailed(SystemError)

    /// The status of the answer, when one can still be given.
    package var statusHint: Int {
        switch self {
        case .malformed(let error): Int(error.statusHint)
        case .truncated: 400
        case .tooLarge: 413
        case .tooSlow: 408
        case .spoolFailed(let error): error.spoolStatus
        }
    }
}

extension RequestBodyError {
    /// As it is counted; nil for what is not refused.
    var refusal: Refusal? {
        switch self {
        case .malformed: .bodyMalformed
        case .tooLarge: .bodyTooLarge
        case .tooSlow: .bodyTimeout
        case .truncated, .spoolFailed: nil
        }
    }
}

extension SystemError {
    /// Of a body that could not be kept: 507 for no room, 413 for a body that is larger than there will ever be room.
    fileprivate var spoolStatus: Int {
        switch errno {
        case ENOSPC, EDQUOT: 507
        case EFBIG: 413
        default: 500
        }
    }
}

/// A body that is on its way in.
@LoopActor
final class IncomingBody {
    /// Memory is taken for the whole of a body of up to this many bytes, so that it need not grow.
    private static let largestReserve = 1 << 20
    private static let chunkedReserve = 16_384
    /// Bytes that are kept, as in Pushpin.
    private static let copyLimit = 100_000

    // Nothing calls out while one of these is being changed: accesses are not tracked.
    @exclusivity(unchecked) var decoder: BodyDecoder
    /// Bytes that have arrived and have not been taken.
    @exclusivity(unchecked) private(set) var buffer: BodyBytes?
    /// In place of a buffer: the whole body, where the connection has read it.
    @exclusivity(unchecked) private var borrowed: UnsafeRawBufferPointer?
    /// Bytes that were lent to a caller in C.
    var lent: BodyBytes?
    var error: RequestBodyError?
    var waiter: UnsafeContinuation<Void, Never>?
    var collector: BodyCollector?
    @exclusivity(unchecked) private(set) var received: UInt64 = 0
    @exclusivity(unchecked) var windowReceived: UInt64 = 0
    /// Somebody has asked for it.
    @exclusivity(unchecked) var isRead = false
    var hasSentContinue = false
    /// All bytes that have come, where they are kept and are not too many.
    @exclusivity(unchecked) private(set) var copy: [UInt8]?

    init(_ head: RequestHead, _ limits: HTTPLimits) {
        decoder = BodyDecoder(framing: head.framing, limits: limits, isOpen: head.hasOpenBody)
    }

    /// A body that is there as a whole.
    init(whole bytes: [UInt8]) {
        decoder = BodyDecoder(framing: .length(UInt64(bytes.count)), limits: HTTPLimits())
        bytes.withUnsafeBytes { append($0) }
        decoder.skip(bytes.count)
    }

    /// From here on the bytes are kept, for an app that may be called again.
    func keepCopy() { copy = [] }

    private func keep(_ bytes: UnsafeRawBufferPointer) {
        guard let kept = copy?.count else { return }
        if bytes.count <= Self.copyLimit - kept { copy?.append(contentsOf: bytes) } else { copy = nil }
    }

    var bufferedCount: Int { buffer?.count ?? borrowed?.count ?? 0 }

    private func reserve(atLeast count: Int) -> BodyBytes {
        if let buffer { return buffer }
        let wanted = decoder.remaining.map { Int(min($0, UInt64(Self.largestReserve))) } ?? Self.chunkedReserve
        let made = BodyBytes(capacity: max(wanted, count))
        buffer = made
        return made
    }

    func append(_ bytes: UnsafeRawBufferPointer) {
        reserve(atLeast: bytes.count).append(bytes)
        if copy != nil { keep(bytes) }
        count(bytes.count)
    }

    /// Where bytes of data may be read to, no more than `limit` and than are due; nil where framing comes next.
    func room(upTo limit: Int) -> UnsafeMutableRawBufferPointer? {
        let due = decoder.bytesDue
        guard due > 0, limit > 0 else { return nil }
        let room = reserve(atLeast: 1).room
        let count = Int(min(due, UInt64(min(room.count, limit))))
        return count > 0 ? UnsafeMutableRawBufferPointer(rebasing: room[..<count]) : nil
    }

    /// Bytes that were read into `room`.
    func wrote(_ bytes: Int) {
        if copy != nil, let room = buffer?.room, bytes <= room.count {
            keep(UnsafeRawBufferPointer(rebasing: room[..<bytes]))
        }
        buffer?.wrote(bytes)
        decoder.skip(bytes)
        count(bytes)
    }

    private func count(_ bytes: Int) {
        received += UInt64(bytes)
        windowReceived += UInt64(bytes)
    }

    /// The whole body has been read, and stays where it is until `keep`.
    func borrow(_ whole: UnsafeRawBufferPointer) {
        borrowed = whole
        if copy != nil { keep(whole) }
        decoder.skip(whole.count)
        count(whole.count)
    }

    func takeBorrowed() -> UnsafeRawBufferPointer? {
        defer { borrowed = nil }
        return borrowed
    }

    /// Copies what is borrowed, which will be there no longer.
    func keep() {
        guard let borrowed = takeBorrowed() else { return }
        buffer = BodyBytes(borrowed)
    }

    func takeBuffer() -> BodyBytes? {
        keep()
        guard let taken = buffer, !taken.isEmpty else { return nil }
        buffer = nil
        return taken
    }
}

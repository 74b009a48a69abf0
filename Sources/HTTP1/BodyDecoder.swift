// A request body's bytes to ranges of data. It keeps what it needs of the framing in itself, so the caller never has to
// keep bytes for it, and after a refusal every call refuses again.
internal import CHTTP
package import HTTPCore

package struct BodyDecoder {
    package enum Event: Equatable {
        /// A range of the given bytes, never empty.
        case data(Range<Int>)
        /// The message is complete; bytes from `offset` on belong to the next one.
        case end
        /// Everything given is consumed.
        case needMoreData
    }

    private enum State {
        case length(UInt64)
        /// Between chunks' data.
        case chunkFraming
        case chunkData(UInt64)
        /// Everything that comes is data, until somebody says that the body is complete.
        case open
        case complete
        case failed(HTTP1Error)
    }

    private let limits: evg_limits
    private var state: State
    private var chunks = evg_chunks()

    package init(framing: BodyFraming, limits: HTTPLimits) {
        self.limits = limits.scannerLimits
        state =
            switch framing {
            case .none, .length(0): .complete
            case .length(let length): .length(length)
            case .chunked: .chunkFraming
            }
    }

    /// - Parameter isOpen: the bytes are not framed, and their end is told by `finish()`.
    package init(framing: BodyFraming, limits: HTTPLimits, isOpen: Bool) {
        self.init(framing: framing, limits: limits)
        if isOpen { state = .open }
    }

    /// The body of no announced length is complete.
    package mutating func finish() {
        if case .open = state { state = .complete }
    }

    package var isComplete: Bool {
        if case .complete = state { true } else { false }
    }

    /// Bytes still due, where the framing tells it beforehand.
    package var remaining: UInt64? {
        switch state {
        case .length(let length): length
        case .complete: 0
        default: nil
        }
    }

    /// How many bytes of data come next, without framing before them; 0 where that is not known.
    package var bytesDue: UInt64 {
        switch state {
        case .length(let due), .chunkData(let due): due
        default: 0
        }
    }

    /// Moves over bytes of data that were not passed to `next`, at most `bytesDue`.
    package mutating func skip(_ count: Int) {
        let count = UInt64(max(count, 0))
        switch state {
        case .length(let due): state = due > count ? .length(due - count) : .complete
        case .chunkData(let due): state = due > count ? .chunkData(due - count) : .chunkFraming
        default: break
        }
    }

    /// The next event in `bytes` from `offset` on; `offset` moves over what it consumed.
    package mutating func next(
        _ bytes: UnsafeRawBufferPointer, from offset: inout Int
    ) throws(HTTP1Error) -> Event {
        while true {
            switch state {
            case .complete:
                return .end
            case .failed(let error):
                throw error
            case .length(let due):
                guard let (range, left) = take(due, bytes.count, &offset) else { return .needMoreData }
                state = left > 0 ? .length(left) : .complete
                return .data(range)
            case .chunkData(let due):
                guard let (range, left) = take(due, bytes.count, &offset) else { return .needMoreData }
                state = left > 0 ? .chunkData(left) : .chunkFraming
                return .data(range)
            case .open:
                guard offset >= 0, offset < bytes.count else { return .needMoreData }
                defer { offset = bytes.count }
                return .data(offset..<bytes.count)
            case .chunkFraming:
                guard try readFraming(bytes, &offset) else { return .needMoreData }
            }
        }
    }

    private func take(_ due: UInt64, _ count: Int, _ offset: inout Int) -> (Range<Int>, left: UInt64)? {
        guard offset >= 0, offset < count else { return nil }
        let taken = Int(min(due, UInt64(count - offset)))
        defer { offset += taken }
        return (offset..<offset + taken, due - UInt64(taken))
    }

    private mutating func readFraming(
        _ bytes: UnsafeRawBufferPointer, _ offset: inout Int
    ) throws(HTTP1Error) -> Bool {
        guard let base = bytes.baseAddress, offset >= 0, offset < bytes.count else { return false }
        var used = 0
        var limits = limits
        let start = base.assumingMemoryBound(to: UInt8.self) + offset
        let result = evg_chunks_scan(&chunks, start, bytes.count - offset, &limits, &used)
        offset += used
        switch result {
        case EVG_MORE:
            return false
        case EVG_DONE:
            state = chunks.size > 0 ? .chunkData(chunks.size) : .complete
            return true
        default:
            let error = HTTP1Error(result)
            state = .failed(error)
            throw error
        }
    }
}

// How long a response's body is, decided from the head and kept while it is sent. Every wire asks the same questions
// (RFC 9110 8.6, 9112 6.3); only how an open end is told differs from wire to wire.

package struct ResponseLength: Equatable, Sendable {
    private enum Due: Equatable, Sendable {
        /// There is no content: HEAD, 1xx, 204, 304.
        case none
        case bytes(UInt64)
        /// As many as come.
        case open
    }
    private var due: Due
    private var isOver = false
    /// The app gave more bytes than announced; they were dropped.
    package private(set) var overran = false
    /// The body ended before the announced length.
    package private(set) var isShort = false

    private init(_ due: Due) { self.due = due }

    /// The length of a response's body, and what its Content-Length says: nil for no such field.
    ///
    /// - Parameters:
    ///   - given: bytes that will follow, where that is known; the app's own Content-Length goes first.
    ///   - requestIsHead: the answer is to HEAD.
    package static func of(
        _ head: borrowing ResponseHead, given: UInt64?, requestIsHead: Bool
    ) -> (length: ResponseLength, announced: UInt64?) {
        let status = head.status
        let length = head.contentLength ?? given
        if status < 200 || status == 204 { return (ResponseLength(.none), nil) }
        if requestIsHead || status == 304 {
            // The length of what GET would have got. That no bytes were given here says nothing about it.
            return (ResponseLength(.none), length.flatMap { $0 > 0 || head.contentLength != nil ? $0 : nil })
        }
        if status == 205 { return (ResponseLength(.bytes(0)), 0) }
        if let length { return (ResponseLength(.bytes(length)), length) }
        return (ResponseLength(.open), nil)
    }

    /// Of a response that has not begun.
    package static var nothing: ResponseLength { ResponseLength(.none) }
    /// Of a response that has begun, and whose end nobody knows yet.
    package static var open: ResponseLength { ResponseLength(.open) }

    /// There is no content and no end to tell.
    package var isNone: Bool { due == .none }
    /// Nobody knows yet where the body ends.
    package var isOpen: Bool { due == .open }

    /// How many of `count` further bytes are to be sent.
    package mutating func take(_ count: Int) -> Int {
        guard count > 0, !isOver else { return 0 }
        switch due {
        case .none:
            return 0
        case .open:
            return count
        case .bytes(let left):
            let taken = min(left, UInt64(count))
            if taken < UInt64(count) { overran = true }
            due = .bytes(left - taken)
            return Int(taken)
        }
    }

    /// The app has given all it has.
    package mutating func end() {
        guard !isOver else { return }
        isOver = true
        if case .bytes(let left) = due, left > 0 { isShort = true }
    }
}

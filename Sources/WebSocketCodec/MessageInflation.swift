// The compressed messages of one client: what comes of their payloads, and what is remembered between them. Whatever a
// client sends, no more than 32 KB is inflated beyond what it is allowed.

/// An object, because most sockets of most servers have none.
package final class MessageInflation {
    private let inflaters: Inflaters
    /// Bytes of the window that is kept between two messages; 0 for none.
    private let windowSize: Int
    private var window: [UInt8] = []
    /// Of the message that has begun.
    private var inflater: Inflater?
    private var used: UInt64 = 0

    package init(_ agreement: DeflateAgreement, _ inflaters: Inflaters) {
        self.inflaters = inflaters
        windowSize = agreement.clientKeepsContext ? 1 << agreement.clientWindowBits : 0
    }

    /// A message of more than 1 MiB that is more than 200 times its payload is refused. DEFLATE reaches 1030, with one
    /// byte that is repeated without end; text of people and programs stays far below.
    private static let freeBytes = 1 << 20
    private static let mostRatio: UInt64 = 200

    /// The most bytes of payload that a message of `limit` bytes can have, of an encoder that does not try to waste
    /// them.
    static func wireLimit(_ limit: UInt64) -> UInt64 { limit + limit / 4 + 1024 }

    /// Adds what these bytes of a payload inflate to.
    ///
    /// - Parameter utf8: of a text; each byte is checked as it comes.
    func accept(
        _ payload: UnsafeRawBufferPointer, limit: UInt64, _ message: inout [UInt8], _ utf8: inout UTF8Check?
    ) throws(Violation) {
        if payload.isEmpty { return }
        let inflater = try begun()
        var rest = payload
        var count: Int
        repeat {
            let given = rest.count
            count = inflater.inflate(&rest, into: inflaters.room)
            used += UInt64(given - rest.count)
            // Of a message that is wrong in two ways, the first is named, in however many pieces it comes.
            let allowed = min(count, Int(limit) - message.count)
            let bytes = UnsafeRawBufferPointer(rebasing: inflaters.room[..<allowed])
            if utf8?.accept(bytes) == false { throw Violation(.invalidPayload, "a text is not UTF-8") }
            guard allowed == count else { throw Violation(.messageTooBig, "a message is longer than --ws-max-size") }
            message.append(contentsOf: bytes)
            guard message.count <= Self.freeBytes || UInt64(message.count) / Self.mostRatio <= used else {
                throw Violation(.messageTooBig, "a message inflates to more than 200 times its payload")
            }
            if inflater.isBroken { throw Violation(.invalidPayload, "a compressed message cannot be inflated") }
        } while !rest.isEmpty || count == inflaters.room.count
    }

    private func begun() throws(Violation) -> Inflater {
        if let inflater { return inflater }
        guard let inflater = inflaters.lend() else { throw Violation(.internalError, "no memory to inflate a message") }
        inflater.begin(window)
        self.inflater = inflater
        used = 0
        return inflater
    }

    func end() throws(Violation) {
        // A message without a single byte of payload has none.
        guard let inflater else { return }
        self.inflater = nil
        guard inflater.mayEnd else { throw Violation(.invalidPayload, "a compressed message is cut off") }
        if windowSize > 0 { window = inflater.window(windowSize, by: inflaters.room) }
        inflaters.giveBack(inflater)
    }
}

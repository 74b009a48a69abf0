// What a peer may do that costs it little and the server something: a budget, which time and useful work fill again.
// Law: whatever a frame may be sent for again and again, without the server getting anywhere, is paid for here.

package struct Calm: Sendable, Equatable {
    /// A frame that only has to be answered or ignored.
    static let frame = 1
    /// A stream that ends before its answer, by the peer or because of it.
    static let reset = 5
    /// What a stream gives back that has come to its end.
    static let finished = 5
    /// What a frame gives back that has carried much of a body: its receiver may open two windows for it.
    static let carried = 2
    /// Frames of fewer bytes are cut short by a peer that opens its window little by little.
    static let smallPiece = 256

    private static let most = 1000
    private static let perSecond = 200.0

    private var left = Calm.most
    private var filledAt: Double?

    init() {}

    /// - Parameter now: monotonic seconds.
    mutating func refill(at now: Double) {
        guard left < Self.most else {
            filledAt = now
            return
        }
        let added = (max(0, now - (filledAt ?? now)) * Self.perSecond).rounded(.down)
        guard added >= 1 || filledAt == nil else { return }
        left = min(Self.most, left + Int(min(added, Double(Self.most))))
        filledAt = now
    }

    mutating func earn(_ amount: Int) { left = min(Self.most, left + amount) }

    /// - Throws: when nothing is left.
    mutating func spend(_ amount: Int) throws(HTTP2Error) {
        left -= amount
        guard left >= 0 else { throw HTTP2Error(.enhanceYourCalm, "too many frames that lead to nothing") }
    }
}

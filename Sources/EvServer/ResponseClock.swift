import Glibc
import HTTP1

/// The `Date` field's value, made again when the second changes.
struct ResponseClock {
    private var secondsSinceEpoch = 0
    private var text = [UInt8](repeating: 0, count: HTTPDate.byteCount)

    mutating func refresh() {
        let now = time(nil)
        guard now != secondsSinceEpoch else { return }
        secondsSinceEpoch = now
        text.withUnsafeMutableBytes { HTTPDate.write(secondsSinceEpoch: now, into: $0) }
    }

    /// Calls with the 29 bytes of an IMF-fixdate (RFC 9110 section 5.6.7).
    func withDate<R, Failure: Error>(_ body: (UnsafeRawBufferPointer) throws(Failure) -> R) throws(Failure) -> R {
        try text.withUnsafeBufferPointer { text throws(Failure) in try body(UnsafeRawBufferPointer(text)) }
    }
}

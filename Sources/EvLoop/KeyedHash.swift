// SipHash-2-4 (Aumasson and Bernstein, 2012): a hash whose collisions nobody can make who does not know the key.

/// Of the same bytes it is the same in all processes that were forked with it.
package struct KeyedHash: Sendable {
    private let first: UInt64
    private let second: UInt64

    /// With a key that nobody knows.
    package init() {
        var key: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &key) { RandomBytes.fill($0) }
        self.init(key.0, key.1)
    }

    package init(_ first: UInt64, _ second: UInt64) {
        (self.first, self.second) = (first, second)
    }

    package func callAsFunction(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var state = State(first, second)
        let whole = bytes.count & ~7
        for place in stride(from: 0, to: whole, by: 8) {
            state.mix(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)))
        }
        var last = UInt64(truncatingIfNeeded: bytes.count) << 56
        for place in whole..<bytes.count { last |= UInt64(bytes[place]) << UInt64(8 * (place - whole)) }
        state.mix(last)
        return state.end()
    }

    private struct State {
        var (a, b, c, d): (UInt64, UInt64, UInt64, UInt64)

        init(_ first: UInt64, _ second: UInt64) {
            a = first ^ 0x736f_6d65_7073_6575
            b = second ^ 0x646f_7261_6e64_6f6d
            c = first ^ 0x6c79_6765_6e65_7261
            d = second ^ 0x7465_6462_7974_6573
        }

        private mutating func turn() {
            a &+= b
            b = (b << 13 | b >> 51) ^ a
            a = a << 32 | a >> 32
            c &+= d
            d = (d << 16 | d >> 48) ^ c
            a &+= d
            d = (d << 21 | d >> 43) ^ a
            c &+= b
            b = (b << 17 | b >> 47) ^ c
            c = c << 32 | c >> 32
        }

        mutating func mix(_ word: UInt64) {
            d ^= word
            turn()
            turn()
            a ^= word
        }

        mutating func end() -> UInt64 {
            c ^= 0xff
            for _ in 0..<4 { turn() }
            return a ^ b ^ c ^ d
        }
    }
}

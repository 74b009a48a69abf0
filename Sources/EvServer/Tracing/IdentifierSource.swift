// Where ids come from: random bytes of the kernel, a kilobyte at a time. Law: no byte is used twice, no two workers
// have the same, and whoever has seen ids can foretell none.

import EvLoop

/// Made, and asked, after the fork.
struct IdentifierSource: ~Copyable {
    /// A system call takes as long as a hundred of these ids otherwise.
    private let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 8)
    private var next: Int

    init() { next = bytes.count }

    deinit { bytes.deallocate() }

    /// Writes an id of so many digits, an even number, which are never all 0. One of 32 digits is a UUID of version 4
    /// (RFC 9562 section 5.4), which some who take ids insist on.
    mutating func write(_ digits: UnsafeMutableRawBufferPointer) {
        let count = digits.count / 2
        if bytes.count - next < count {
            RandomBytes.fill(bytes)
            next = 0
        }
        if count == 16 {
            bytes[next + 6] = bytes[next + 6] & 0x0f | 0x40
            bytes[next + 8] = bytes[next + 8] & 0x3f | 0x80
        }
        var all: UInt8 = 0
        for place in 0..<count {
            let byte = bytes[next + place]
            all |= byte
            digits[2 * place] = Self.digit(byte >> 4)
            digits[2 * place + 1] = Self.digit(byte & 15)
        }
        if all == 0 { digits[2 * count - 1] = UInt8(ascii: "1") }
        next += count
    }

    @inline(__always) private static func digit(_ value: UInt8) -> UInt8 {
        value &+ (value < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
    }
}

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

    /// Appends two digits for each of `count` bytes, which are never all 0.
    mutating func append(_ count: Int, to text: inout [UInt8]) {
        if bytes.count - next < count {
            RandomBytes.fill(bytes)
            next = 0
        }
        var isZero = true
        for byte in bytes[next..<(next + count)] {
            if byte != 0 { isZero = false }
            text.append(AccessLogFormat.hexDigit(byte >> 4))
            text.append(AccessLogFormat.hexDigit(byte & 15))
        }
        if isZero { text[text.count - 1] = UInt8(ascii: "1") }
        next += count
    }
}

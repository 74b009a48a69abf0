// A growable buffer of raw memory that is written at its end and reused: growing is the only thing that allocates.
internal import Glibc

package struct ByteWriter: ~Copyable {
    private var base: UnsafeMutableRawPointer
    package private(set) var capacity: Int
    /// Bytes written and not removed.
    package private(set) var count = 0

    package init(capacity: Int = 512) {
        self.capacity = max(capacity, 64)
        base = .allocate(byteCount: self.capacity, alignment: 1)
    }

    deinit {
        base.deallocate()
    }

    package var isEmpty: Bool { count == 0 }

    package func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: base, count: count))
    }

    /// Room for `extra` more bytes; at least doubles when it grows.
    @inline(__always)
    package mutating func reserve(_ extra: Int) {
        if capacity - count < extra { grow(extra) }
    }

    @inline(never)
    private mutating func grow(_ extra: Int) {
        let wanted = max(capacity * 2, count + extra)
        let grown = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 1)
        grown.copyMemory(from: base, byteCount: count)
        base.deallocate()
        base = grown
        capacity = wanted
    }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count)
        (base + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    package mutating func append(_ string: StaticString) {
        append(UnsafeRawBufferPointer(start: string.utf8Start, count: string.utf8CodeUnitCount))
    }

    package mutating func append(byte: UInt8) {
        reserve(1)
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    package mutating func append(decimal value: Int) {
        if value < 0 { append(byte: UInt8(ascii: "-")) }
        append(decimal: UInt64(value.magnitude))
    }

    package mutating func append(decimal value: UInt64) {
        var digits = 1
        var rest = value
        while rest >= 10 {
            digits += 1
            rest /= 10
        }
        rest = value
        fill(digits) {
            defer { rest /= 10 }
            return UInt8(truncatingIfNeeded: rest % 10)
        }
    }

    /// Lower case, no prefix.
    package mutating func append(hex value: UInt64) {
        var rest = value
        fill(max((67 - value.leadingZeroBitCount) / 4, 1)) {
            defer { rest >>= 4 }
            return UInt8(truncatingIfNeeded: rest & 15)
        }
    }

    /// Digits come last one first.
    @inline(__always)
    private mutating func fill(_ digits: Int, _ next: () -> UInt8) {
        reserve(digits)
        for index in stride(from: count + digits - 1, through: count, by: -1) {
            let digit = next()
            base.storeBytes(of: digit + (digit < 10 ? 0x30 : 0x57), toByteOffset: index, as: UInt8.self)
        }
        count += digits
    }

    /// `write` gets room for `limit` bytes and returns how many it wrote; returns the same.
    package mutating func append(
        upTo limit: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int
    ) -> Int {
        reserve(limit)
        let written = min(max(write(UnsafeMutableRawBufferPointer(start: base + count, count: limit)), 0), limit)
        count += written
        return written
    }

    /// Takes the first `prefix` bytes away, those that a partial write has sent.
    package mutating func removeFirst(_ prefix: Int) {
        let gone = min(max(prefix, 0), count)
        memmove(base, base + gone, count - gone)
        count -= gone
    }

    /// Without `keepingCapacity` no more than the smallest buffer stays.
    package mutating func removeAll(keepingCapacity: Bool = false) {
        count = 0
        guard !keepingCapacity, capacity > 512 else { return }
        base.deallocate()
        capacity = 64
        base = .allocate(byteCount: capacity, alignment: 1)
    }

    /// Forgets what was written behind the first `length` bytes.
    package mutating func truncate(to length: Int) {
        count = min(max(length, 0), count)
    }
}

// A growable buffer of raw memory that is written at its end and reused: growing is the only thing that allocates.
internal import Glibc

package final class ByteWriter {
    private struct State {
        var base: UnsafeMutableRawPointer
        var capacity: Int
        var count = 0
    }

    /// Behind a pointer, because every access to a class's own property may be tracked at run time.
    private let state: UnsafeMutablePointer<State>

    private var base: UnsafeMutableRawPointer {
        get { state.pointee.base }
        set { state.pointee.base = newValue }
    }
    package private(set) var capacity: Int {
        get { state.pointee.capacity }
        set { state.pointee.capacity = newValue }
    }
    /// Bytes written and not removed.
    package private(set) var count: Int {
        get { state.pointee.count }
        set { state.pointee.count = newValue }
    }

    package init(capacity: Int = 512) {
        let capacity = max(capacity, 64)
        state = .allocate(capacity: 1)
        state.initialize(to: State(base: .allocate(byteCount: capacity, alignment: 1), capacity: capacity))
    }

    deinit {
        state.pointee.base.deallocate()
        state.deallocate()
    }

    package var isEmpty: Bool { count == 0 }

    package func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: base, count: count))
    }

    /// The bytes written. Valid until the next change.
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// Holds the string's UTF-8 and nothing else. Apart from its users, whose isolation would be checked at run time
    /// for a closure of theirs.
    package func replace(with string: inout String) {
        count = 0
        string.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// Room for `extra` more bytes; at least doubles when it grows.
    @inline(__always)
    package func reserve(_ extra: Int) {
        if capacity - count < extra { grow(extra) }
    }

    @inline(never)
    private func grow(_ extra: Int) {
        let wanted = max(capacity * 2, count + extra)
        let grown = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 1)
        grown.copyMemory(from: base, byteCount: count)
        base.deallocate()
        base = grown
        capacity = wanted
    }

    package func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count)
        (base + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    package func append(_ string: StaticString) {
        append(UnsafeRawBufferPointer(start: string.utf8Start, count: string.utf8CodeUnitCount))
    }

    package func append(byte: UInt8) {
        reserve(1)
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    package func append(decimal value: Int) {
        if value < 0 { append(byte: UInt8(ascii: "-")) }
        append(decimal: UInt64(value.magnitude))
    }

    package func append(decimal value: UInt64) {
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
    package func append(hex value: UInt64) {
        var rest = value
        fill(max((67 - value.leadingZeroBitCount) / 4, 1)) {
            defer { rest >>= 4 }
            return UInt8(truncatingIfNeeded: rest & 15)
        }
    }

    /// Digits come last one first.
    @inline(__always)
    private func fill(_ digits: Int, _ next: () -> UInt8) {
        reserve(digits)
        for index in stride(from: count + digits - 1, through: count, by: -1) {
            let digit = next()
            base.storeBytes(of: digit + (digit < 10 ? 0x30 : 0x57), toByteOffset: index, as: UInt8.self)
        }
        count += digits
    }

    /// `write` gets room for `limit` bytes and returns how many it wrote; returns the same.
    @discardableResult
    @inline(__always)
    package func append(
        upTo limit: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int
    ) -> Int {
        reserve(limit)
        let written = min(max(write(UnsafeMutableRawBufferPointer(start: base + count, count: limit)), 0), limit)
        count += written
        return written
    }

    /// Takes the first `prefix` bytes away, those that a partial write has sent.
    package func removeFirst(_ prefix: Int) {
        let gone = min(max(prefix, 0), count)
        memmove(base, base + gone, count - gone)
        count -= gone
    }

    /// Without `keepingCapacity` no more than the smallest buffer stays.
    package func removeAll(keepingCapacity: Bool = false) {
        count = 0
        guard !keepingCapacity, capacity > 512 else { return }
        base.deallocate()
        capacity = 64
        base = .allocate(byteCount: capacity, alignment: 1)
    }

    /// Forgets what was written behind the first `length` bytes.
    package func truncate(to length: Int) {
        count = min(max(length, 0), count)
    }
}

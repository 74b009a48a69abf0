import Glibc

/// Bytes of a request body in memory that is not initialised before they are read into it.
package final class BodyBytes {
    /// From malloc(3), so that C can free it.
    @exclusivity(unchecked) private var memory: UnsafeMutableRawPointer?
    @exclusivity(unchecked) private var capacity: Int
    @exclusivity(unchecked) package private(set) var count = 0

    init(capacity: Int) {
        self.capacity = max(capacity, 1)
        memory = Self.allocate(self.capacity)
    }

    /// A copy.
    package convenience init(_ bytes: UnsafeRawBufferPointer) {
        self.init(capacity: bytes.count)
        append(bytes)
    }

    deinit { free(memory) }

    /// Gives the memory away, for free(3). Nothing is left.
    package func surrender() {
        (memory, capacity, count) = (nil, 0, 0)
    }

    private static func allocate(_ capacity: Int) -> UnsafeMutableRawPointer {
        guard let memory = malloc(capacity) else { fatalError("out of memory for a request body") }
        return memory
    }

    package var isEmpty: Bool { count == 0 }

    /// Calls with the bytes, which are valid for the call.
    package func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { extendLifetime(self) }
        return try body(UnsafeRawBufferPointer(start: memory, count: count))
    }

    /// The bytes. Valid until the next change, and no longer than this object.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: count) }

    /// The bytes as an array: a copy.
    package var array: [UInt8] { withUnsafeBytes { Array($0) } }

    /// The part that is not yet written. Valid until the next call.
    var room: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: memory.map { $0 + count }, count: capacity - count)
    }

    /// Bytes that were written into `room`.
    func wrote(_ bytes: Int) { count = min(count + max(bytes, 0), capacity) }

    func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        if capacity - count < bytes.count { reserve(max(count + bytes.count, capacity * 2)) }
        if let memory { (memory + count).copyMemory(from: source, byteCount: bytes.count) }
        count += bytes.count
    }

    func removeAll() { count = 0 }

    private func reserve(_ wanted: Int) {
        let grown = Self.allocate(wanted)
        if let memory { grown.copyMemory(from: memory, byteCount: count) }
        free(memory)
        memory = grown
        capacity = wanted
    }
}

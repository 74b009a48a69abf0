// Bytes that end where readable memory ends: reading one byte too many always crashes.
import Glibc

package final class GuardedBytes {
    private let base: UnsafeMutableRawPointer
    private let readable: Int
    private let mapped: Int

    package init(capacity: Int) {
        let page = sysconf(Int32(_SC_PAGESIZE))
        readable = (max(capacity, 1) + page - 1) / page * page
        mapped = readable + page
        guard let base = mmap(nil, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            base != MAP_FAILED, mprotect(base + readable, page, PROT_NONE) == 0
        else { fatalError("no memory for a guard page") }
        self.base = base
    }

    deinit {
        munmap(base, mapped)
    }

    /// Calls `body` with the bytes, which end directly before a page that cannot be read.
    package func holding<Result>(
        _ bytes: some Collection<UInt8>, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        precondition(bytes.count <= readable)
        let end = UnsafeMutableRawBufferPointer(start: base + readable - bytes.count, count: bytes.count)
        end.copyBytes(from: bytes)
        return try body(UnsafeRawBufferPointer(end))
    }
}

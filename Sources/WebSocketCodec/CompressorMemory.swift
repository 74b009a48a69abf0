// The memory of a compressor that comes and goes with what is said on one socket: pages of its own, which the kernel
// has back at its end. Of malloc's, it would leave holes of 38 KB between what other sockets keep.

import CZlib
import Glibc

enum CompressorMemory {
    /// Room for zlib; only what is used costs memory. What does not fit, as with another zlib, is malloc's.
    private static let size = 65_536
    /// The first bytes say how many are used.
    private static let headerSize = 64

    /// Returns false when there is none.
    static func attach(to stream: UnsafeMutablePointer<z_stream>) -> Bool {
        let pages = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let pages, pages != MAP_FAILED else { return false }
        pages.storeBytes(of: headerSize, as: Int.self)
        stream.pointee.opaque = pages
        stream.pointee.zalloc = { pages, items, size in
            let (count, isTooMuch) = Int(items).multipliedReportingOverflow(by: Int(size))
            guard let pages, !isTooMuch else { return nil }
            let used = pages.load(as: Int.self)
            guard count <= CompressorMemory.size - used else { return calloc(Int(items), Int(size)) }
            pages.storeBytes(of: min((used + count + 63) & ~63, CompressorMemory.size), as: Int.self)
            return pages + used
        }
        stream.pointee.zfree = { pages, block in
            guard let pages, let block, !(pages..<pages + CompressorMemory.size).contains(block) else { return }
            free(block)
        }
        return true
    }

    /// After the stream's end.
    static func detach(from stream: UnsafeMutablePointer<z_stream>) {
        if let pages = stream.pointee.opaque { munmap(pages, size) }
    }
}

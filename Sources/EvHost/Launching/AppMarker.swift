// Every program that links the library EvGateway carries a section with this name, so that the launcher can tell a
// Swift app from a program that merely has the right name, and never runs the latter.

import Glibc

enum AppMarker {
    static let sectionName = "evgateway_app"
    static let libraryName = "libEvGateway.so"

    /// Whether the file is an executable that links `EvGateway`, statically or as a shared library.
    ///
    /// Reads the section table of a 64-bit little-endian ELF file. Returns false if the table is not consistent.
    static func isApp(_ path: String) -> Bool {
        guard let file = File(path) else { return false }
        let header = file.read(at: 0, count: 64)
        guard header.count == 64, Array(header[..<6]) == [0x7F, 0x45, 0x4C, 0x46, 2, 1] else { return false }
        let (tableOffset, entrySize) = (integer(header, 40, 8), integer(header, 58, 2))
        let (count, nameIndex) = (integer(header, 60, 2), integer(header, 62, 2))
        guard entrySize == 64, count > 0, nameIndex < count else { return false }
        let table = file.read(at: tableOffset, count: count * 64)
        guard table.count == count * 64 else { return false }
        let names = file.read(section(table, nameIndex))
        for index in 0..<count {
            let start = integer(table, index * 64, 4)
            guard start < names.count else { continue }
            let name = names[start...].prefix { $0 != 0 }
            if name.elementsEqual(sectionName.utf8) { return true }
            if name.elementsEqual(".dynstr".utf8) {
                let needed = file.read(section(table, index)).split(separator: 0)
                if needed.contains(where: { $0.elementsEqual(libraryName.utf8) }) { return true }
            }
        }
        return false
    }

    /// Offset and size of a section's bytes.
    private static func section(_ table: [UInt8], _ index: Int) -> (offset: Int, count: Int) {
        (integer(table, index * 64 + 24, 8), integer(table, index * 64 + 32, 8))
    }

    private static func integer(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> Int {
        var value: UInt64 = 0
        for index in (0..<count).reversed() { value = value << 8 | UInt64(bytes[offset + index]) }
        return Int(clamping: value)
    }

    private struct File: ~Copyable {
        private let descriptor: Int32

        init?(_ path: String) {
            descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return nil }
        }

        deinit { _ = close(descriptor) }

        func read(_ range: (offset: Int, count: Int)) -> [UInt8] { read(at: range.offset, count: range.count) }

        /// Returns up to `count` bytes; none if the range is larger than a real table.
        func read(at offset: Int, count: Int) -> [UInt8] {
            guard count > 0, count <= 16 << 20 else { return [] }
            return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                filled = max(0, pread(descriptor, buffer.baseAddress, count, off_t(offset)))
            }
        }
    }
}

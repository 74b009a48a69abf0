// A head that differs in a few fields from the one that was received, and a first look at the names of fields.

public import CHTTP

/// Names that are looked for in every request, by their length and their first letter: enough to pass over most heads
/// without comparing a name.
@usableFromInline package struct FieldNameFilter: Sendable {
    @usableFromInline package private(set) var names = evg_names()

    package init(_ names: some Sequence<[UInt8]>) {
        for name in names {
            guard let first = name.first else { continue }
            self.names.lengths |= 1 << UInt64(min(name.count, 63))
            self.names.letters |= 1 << UInt32(first & 31)
        }
    }

    package var isEmpty: Bool { names.lengths == 0 }
}

extension RequestHead {
    /// The name of a field has an underscore.
    @inlinable package var hasUnderscore: Bool { record.pointee.has_underscore }

    /// False if no field has one of the names; true if one may have.
    @inlinable package func mayHave(_ filter: FieldNameFilter) -> Bool {
        var names = filter.names
        return evg_request_head_may_have(record, &names)
    }

    /// Valid for as long as this object.
    package func bytes(of slice: ByteSlice) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: record.pointee.bytes + Int(slice.start), count: Int(slice.count))
    }

    /// ASCII case-insensitive.
    package func matches(_ slice: ByteSlice, _ word: [UInt8]) -> Bool {
        guard Int(slice.count) == word.count else { return false }
        return word.withUnsafeBufferPointer {
            evg_equal_ignoring_case(record.pointee.bytes + Int(slice.start), $0.baseAddress, word.count)
        }
    }

    /// A copy without the fields for which `keeping` has false, and with another authority, which is Host's value too.
    ///
    /// - Parameters:
    ///   - keeping: one for each field; empty keeps all.
    ///   - authority: empty keeps the one that there is.
    package func copy(keeping: [Bool], authority: [UInt8]) -> RequestHead {
        let size = evg_request_head_copy_size(record, authority.count)
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: size, alignment: MemoryLayout<evg_request_head>.alignment)
        let made = keeping.withUnsafeBufferPointer { kept in
            authority.withUnsafeBufferPointer { authority in
                evg_request_head_copy(
                    memory, record, keeping.isEmpty ? nil : kept.baseAddress, authority.baseAddress, authority.count)
            }
        }
        guard let made else { preconditionFailure("evg_request_head_copy returns its memory") }
        return RequestHead(owning: made)
    }
}

/// Field lines that a head did not have when it was received. They are made once, and their values written again.
package struct AddedLines: Sendable {
    private(set) var bytes: [UInt8] = []
    private(set) var fields: [evg_field] = []

    package init() {}

    /// - Parameter value: without bytes that end a line, and blanks around it.
    package mutating func append(name: [UInt8], value: [UInt8]) {
        let start = UInt32(clamping: bytes.count)
        let valueStart = UInt32(clamping: bytes.count + name.count + 2)
        bytes += name + Array(": ".utf8) + value + Array("\r\n".utf8)
        fields.append(
            evg_field(
                name: evg_slice(start: start, count: UInt32(clamping: name.count)),
                value: evg_slice(start: valueStart, count: UInt32(clamping: value.count))))
    }

    /// Writes over a part of the value of a line.
    package mutating func write(_ part: UnsafeRawBufferPointer, to line: Int, at offset: Int = 0) {
        guard fields.indices.contains(line), offset >= 0 else { return }
        let place = ByteSlice(fields[line].value).range.dropFirst(offset).prefix(part.count)
        guard place.count == part.count else { return }
        bytes.withUnsafeMutableBytes { UnsafeMutableRawBufferPointer(rebasing: $0[place]).copyMemory(from: part) }
    }
}

extension RequestHead {
    /// A copy without the fields for which `keeping` has false, and with these lines behind the others. Slices into
    /// this head are slices into the copy.
    ///
    /// - Parameter keeping: one for each field; empty keeps all.
    package func copy(keeping: [Bool], adding lines: AddedLines) -> RequestHead {
        let count = UInt32(clamping: lines.fields.count)
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: evg_request_head_amend_size(record, lines.bytes.count, count),
            alignment: MemoryLayout<evg_request_head>.alignment)
        let made = keeping.withUnsafeBufferPointer { kept in
            lines.bytes.withUnsafeBufferPointer { bytes in
                lines.fields.withUnsafeBufferPointer { fields in
                    evg_request_head_amend(
                        memory, record, keeping.isEmpty ? nil : kept.baseAddress, bytes.baseAddress, bytes.count,
                        fields.baseAddress, count)
                }
            }
        }
        guard let made else { preconditionFailure("evg_request_head_amend returns its memory") }
        return RequestHead(owning: made)
    }
}

extension RequestHead {
    /// The request line alone, in a small block of memory; nil where parts of the head stand elsewhere.
    package func withoutFields() -> RequestHead? {
        var line = record.pointee
        let parts = [line.method, line.target, line.path, line.query, line.scheme]
        guard parts.allSatisfy({ $0.start + $0.count <= line.request_line_count }) else { return nil }
        let (size, count) = (MemoryLayout<evg_request_head>.size, Int(line.request_line_count))
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: size + count, alignment: MemoryLayout<evg_request_head>.alignment)
        (memory + size).copyMemory(from: line.bytes, byteCount: count)
        line.bytes = UnsafePointer((memory + size).assumingMemoryBound(to: UInt8.self))
        line.byte_count = line.request_line_count
        line.stored_count = line.byte_count
        (line.fields, line.field_count, line.has_underscore) = (nil, 0, false)
        line.authority = evg_slice()
        return RequestHead(owning: UnsafePointer(memory.initializeMemory(as: evg_request_head.self, to: line)))
    }
}

/// Grammars that fields of several kinds have in common.
package enum FieldSyntax {
    /// RFC 9110 section 5.6.2.
    package static func isToken(_ bytes: UnsafeRawBufferPointer) -> Bool { evg_is_token(pointer(bytes), bytes.count) }

    /// RFC 3986 host [":" port], with a host that is not empty.
    package static func isAuthority(_ bytes: UnsafeRawBufferPointer) -> Bool {
        evg_is_authority(pointer(bytes), bytes.count, false)
    }

    private static func pointer(_ bytes: UnsafeRawBufferPointer) -> UnsafePointer<UInt8>? {
        bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    }
}

// The field section of a response: status and lines of `Name: value` as HPACK, in HEADERS and CONTINUATION frames.

internal import CNGHTTP2

/// One for all connections of a worker: it has no table, and so nothing that one connection would know of another.
package final class FieldEncoder {
    private let deflater: OpaquePointer?

    package init() { deflater = evg_hpack_encoder_new() }

    deinit { nghttp2_hd_deflate_del(deflater) }

    /// Room that is enough for the frames of a section of these blocks of lines.
    package static func bound(_ blocks: Blocks) -> Int {
        blocks.withLines { evg_hpack_bound($0.baseAddress, $0.count) } + 2 * FrameHeader.byteCount
    }

    /// Blocks of field lines, each line with its CRLF.
    package struct Blocks {
        package var own, length, date, server, more: UnsafeRawBufferPointer

        package init(
            _ own: UnsafeRawBufferPointer, length: UnsafeRawBufferPointer, date: UnsafeRawBufferPointer,
            server: UnsafeRawBufferPointer, more: UnsafeRawBufferPointer
        ) {
            (self.own, self.length, self.date, self.server, self.more) = (own, length, date, server, more)
        }

        fileprivate func withLines<Result>(_ body: (UnsafeBufferPointer<evg_field_lines>) -> Result) -> Result {
            withUnsafeTemporaryAllocation(of: evg_field_lines.self, capacity: 5) { lines in
                var count = 0
                for block in [own, length, date, server, more] where !block.isEmpty {
                    lines.initializeElement(
                        at: count,
                        to: evg_field_lines(
                            bytes: block.baseAddress?.assumingMemoryBound(to: UInt8.self), count: block.count))
                    count += 1
                }
                return body(UnsafeBufferPointer(rebasing: lines[..<count]))
            }
        }
    }

    /// Writes a section to `room`, which has `bound(_:)` bytes. Returns how many it took; 0 without memory.
    ///
    /// - Parameter resetsTable: the first section of a connection says that there is no table.
    package func encode(
        status: Int, _ blocks: Blocks, resetsTable: Bool, to room: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard let deflater, room.count > 1, let start = room.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
            return 0
        }
        if resetsTable { start.pointee = UInt8(EVG_HPACK_NO_TABLE) }
        let skipped = resetsTable ? 1 : 0
        let written = blocks.withLines {
            evg_hpack_encode(
                deflater, UInt32(clamping: status), $0.baseAddress, $0.count, start + skipped, room.count - skipped)
        }
        return written > 0 ? written + skipped : 0
    }
}

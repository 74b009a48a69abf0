// Field sections of answers, read back by nghttp2's decoder.

import CNGHTTP2
@testable import HTTP2
import Testing

@Suite struct EncoderTests {
    private func decode(_ bytes: [UInt8], _ inflater: OpaquePointer?) -> String {
        var fields: [String] = []
        bytes.withUnsafeBytes { bytes in
            var rest = bytes
            while true {
                var field = nghttp2_nv()
                var flags: Int32 = 0
                let used = nghttp2_hd_inflate_hd2(
                    inflater, &field, &flags, rest.baseAddress?.assumingMemoryBound(to: UInt8.self), rest.count, 1)
                guard used >= 0 else { return fields.append("failure \(used)") }
                rest = UnsafeRawBufferPointer(rebasing: rest[used...])
                if flags & 2 != 0 {
                    let name = UnsafeRawBufferPointer(start: field.name, count: field.namelen)
                    let value = UnsafeRawBufferPointer(start: field.value, count: field.valuelen)
                    fields.append(String(decoding: name, as: UTF8.self) + "=" + String(decoding: value, as: UTF8.self))
                }
                if flags & 1 != 0 { break }
            }
            nghttp2_hd_inflate_end_headers(inflater)
        }
        return fields.joined(separator: ", ")
    }

    private func encode(_ encoder: FieldEncoder, _ status: Int, _ lines: String, resets: Bool = false) -> [UInt8] {
        let text = Array(lines.utf8)
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        return text.withUnsafeBytes { lines in
            let blocks = FieldEncoder.Blocks(lines, length: nothing, date: nothing, server: nothing, more: nothing)
            let room = UnsafeMutableRawBufferPointer.allocate(byteCount: FieldEncoder.bound(blocks) - 9, alignment: 1)
            defer { room.deallocate() }
            let count = encoder.encode(status: status, blocks, resetsTable: resets, to: room)
            return Array(room[..<count])
        }
    }

    @Test func oneEncoderServesManyConnections() {
        let encoder = FieldEncoder()
        for _ in 0..<3 {
            var inflater: OpaquePointer?
            #expect(nghttp2_hd_inflate_new(&inflater) == 0)
            defer { nghttp2_hd_inflate_del(inflater) }
            #expect(decode(encode(encoder, 200, "X-A: 1\r\n", resets: true), inflater) == ":status=200, x-a=1")
            #expect(decode(encode(encoder, 404, "X-A: 1\r\nB: \r\n"), inflater) == ":status=404, x-a=1, b=")
        }
    }

    @Test func longSections() {
        let encoder = FieldEncoder()
        var inflater: OpaquePointer?
        #expect(nghttp2_hd_inflate_new(&inflater) == 0)
        defer { nghttp2_hd_inflate_del(inflater) }
        let lines = (0..<300).map { "Field-\($0): \(String(repeating: "~", count: $0))\r\n" }.joined()
        let fields = decode(encode(encoder, 200, lines), inflater)
        #expect(fields.hasPrefix(":status=200, field-0=, field-1=~") && fields.contains(", field-299=~~~"))
        #expect(decode(encode(encoder, 200, "a: b\r\nUpgrade: x\r\nc: d\r\n"), inflater) == ":status=200, a=b, c=d")
        // Lines as short as can be.
        let short = String(repeating: "a: \r\n", count: 500)
        #expect(decode(encode(encoder, 200, short), inflater).count > 500 * 3)
    }

    @Test func sectionThatNeedsSeveralFrames() {
        var reader = Reader()
        reader.read(preface + noSettings + request(1))
        let block = [UInt8](repeating: 7, count: 40_000)
        let frames = block.withUnsafeBytes { reader.session.headers(1, $0, ends: true) }
        let heads = [0, 16_393, 32_786].map { start in frames.withUnsafeBytes { FrameHeader($0[start..<start + 9]) } }
        #expect(heads.map(\.length) == [16_384, 16_384, 7232] && heads.map(\.type) == [1, 9, 9])
        #expect(heads.map(\.flags) == [1, 0, 4] && frames.count == 40_027)
    }
}

import Testing
import WebSocketCodec

@Suite struct UTF8CheckTests {
    /// Each sequence of up to three bytes at the edges of every class, and random longer ones, against the standard
    /// library's validation; in one piece and split at every place.
    @Test func itAgreesWithTheStandardLibrary() {
        let edges: [UInt8] = [
            0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
            0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
        ]
        for first in edges {
            for second in edges {
                for third in edges {
                    expectAgreement([first, second, third])
                    expectAgreement([0xf0, first, second, third])
                    expectAgreement([0xf4, first, second, third])
                }
            }
        }
        for _ in 0..<500 {
            var bytes = Array(String(repeating: "aé€😀", count: Int.random(in: 0...6)).utf8)
            if !bytes.isEmpty, Bool.random() { bytes[Int.random(in: 0..<bytes.count)] = UInt8.random(in: 0...255) }
            expectAgreement(Array("0123456789".utf8.prefix(Int.random(in: 0...10))) + bytes)
        }
    }

    private func expectAgreement(_ bytes: [UInt8]) {
        let expected = String(validating: bytes, as: UTF8.self) != nil
        for split in 0...bytes.count {
            var check = UTF8Check()
            let accepted = bytes.withUnsafeBytes { bytes in
                check.accept(UnsafeRawBufferPointer(rebasing: bytes[..<split]))
                    && check.accept(UnsafeRawBufferPointer(rebasing: bytes[split...]))
            }
            if (accepted && check.isComplete) != expected { Issue.record("\(bytes) at \(split)") }
        }
    }

    @Test func whatCannotBecomeATextIsRefusedAtOnce() {
        for bytes: [UInt8] in [[0xff], [0xc0], [0xe0, 0x80], [0xed, 0xa0], [0xf0, 0x80], [0xf4, 0x90], [0x80]] {
            var check = UTF8Check()
            #expect(!bytes.withUnsafeBytes { check.accept($0) })
        }
    }
}

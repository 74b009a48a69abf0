import HTTP1
import Testing

@Suite struct ByteWriterTests {
    private func text(_ writer: borrowing ByteWriter) -> String {
        writer.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    @Test func numbersAreWritten() {
        let writer = ByteWriter()
        for value in [0, 7, 10, 999, 1000, Int.max, -5, Int.min] {
            writer.append(decimal: value)
            writer.append(" ")
        }
        for value in [0, 9, 10, 15, 16, 255, 4096, UInt64.max] {
            writer.append(hex: value)
            writer.append(" ")
        }
        writer.append(decimal: UInt64.max)
        #expect(
            text(writer) == "0 7 10 999 1000 9223372036854775807 -5 -9223372036854775808 "
                + "0 9 a f 10 ff 1000 ffffffffffffffff 18446744073709551615")
    }

    @Test func growsAndKeepsWhatWasWritten() {
        let writer = ByteWriter(capacity: 1)
        for index in 0..<10_000 { writer.append(byte: UInt8(truncatingIfNeeded: index)) }
        let count = writer.count
        #expect(count == 10_000)
        writer.withUnsafeBytes { bytes in
            #expect(bytes.indices.allSatisfy { bytes[$0] == UInt8(truncatingIfNeeded: $0) })
        }
    }

    @Test func truncatesAndRemoves() {
        let writer = ByteWriter()
        writer.append("hello, world")
        writer.truncate(to: 100)
        #expect(text(writer) == "hello, world")
        writer.truncate(to: 5)
        #expect(text(writer) == "hello")
        writer.removeFirst(2)
        #expect(text(writer) == "llo")
        writer.removeFirst(100)
        #expect(text(writer) == "")
        writer.append("again")
        writer.removeAll(keepingCapacity: true)
        #expect(text(writer) == "")
        writer.append(UnsafeRawBufferPointer(start: nil, count: 0))
        writer.truncate(to: -1)
        #expect(text(writer) == "")
    }

    @Test func capacityIsGivenBack() {
        let writer = ByteWriter()
        for _ in 0..<1000 { writer.append("0123456789") }
        let grown = writer.capacity
        writer.removeAll(keepingCapacity: true)
        let kept = writer.capacity
        writer.removeAll()
        let given = writer.capacity
        #expect(grown >= 10_000 && kept == grown && given <= 512)
    }

    @Test func bytesAreWrittenInPlace() {
        let writer = ByteWriter()
        let written = writer.append(upTo: 300) { room in
            room.copyBytes(from: Array("abc".utf8))
            return 3
        }
        let tooMany = writer.append(upTo: 2) { _ in 5 }
        let tooFew = writer.append(upTo: 2) { _ in -1 }
        let count = writer.count
        #expect(written == 3 && tooMany == 2 && tooFew == 0 && count == 5)
    }
}

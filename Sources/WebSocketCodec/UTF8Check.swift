// UTF-8 (Unicode 15, table 3-7) that comes in pieces. Eight bytes of ASCII are one step; any other byte is two loads
// from tables, without a branch.

package struct UTF8Check: Sendable {
    private var state = Step.complete

    package init() {}

    /// No character is left unfinished.
    package var isComplete: Bool { state == Step.complete }

    /// Whether these bytes may follow those before.
    package mutating func accept(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let (classes, steps) = (Step.classes, Step.steps)
        var (index, state) = (0, Int(state))
        while index < bytes.count {
            if state == Int(Step.complete) {
                while index + 8 <= bytes.count,
                    bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
                {
                    index += 8
                }
            }
            let end = min(index + 8, bytes.count)
            while index < end {
                state = Int(steps[state << 4 | Int(classes[Int(bytes[index])])])
                index += 1
            }
            if state == Int(Step.refused) { break }
        }
        self.state = UInt8(truncatingIfNeeded: state)
        return state != Int(Step.refused)
    }

    package static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var check = UTF8Check()
        return check.accept(bytes) && check.isComplete
    }
}

/// The automaton: where one stands within a character, and what each class of byte does there.
private enum Step {
    static let complete: UInt8 = 0
    static let refused: UInt8 = 8
    /// So many bytes of 80 to BF are to come.
    private static let one: UInt8 = 1
    private static let two: UInt8 = 2
    private static let three: UInt8 = 3
    /// Behind these lead bytes the second is of a smaller range: no overlong form, no surrogate, nothing past U+10FFFF.
    private static let afterE0: UInt8 = 4
    private static let afterED: UInt8 = 5
    private static let afterF0: UInt8 = 6
    private static let afterF4: UInt8 = 7

    private static let leads: [(ClosedRange<UInt8>, UInt8)] = [
        (0x00...0x7f, complete), (0xc2...0xdf, one), (0xe0...0xe0, afterE0), (0xe1...0xec, two), (0xed...0xed, afterED),
        (0xee...0xef, two), (0xf0...0xf0, afterF0), (0xf1...0xf3, three), (0xf4...0xf4, afterF4),
    ]
    /// Continuation bytes that are allowed, and where they lead.
    private static let follows: [(from: UInt8, ClosedRange<UInt8>, to: UInt8)] = [
        (one, 0x80...0xbf, complete), (two, 0x80...0xbf, one), (three, 0x80...0xbf, two), (afterE0, 0xa0...0xbf, one),
        (afterED, 0x80...0x9f, one), (afterF0, 0x90...0xbf, two), (afterF4, 0x80...0x8f, two),
    ]
    /// Bytes of one class are treated alike everywhere.
    private static let bounds: [UInt8] = [
        0x00, 0x80, 0x90, 0xa0, 0xc0, 0xc2, 0xe0, 0xe1, 0xed, 0xee, 0xf0, 0xf1, 0xf4, 0xf5,
    ]

    /// 256 of them. For as long as the process, as `steps`.
    nonisolated(unsafe) static let classes: UnsafePointer<UInt8> = {
        let table = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
        for byte in 0...255 { table[byte] = UInt8(bounds.lastIndex { Int($0) <= byte } ?? 0) }
        return UnsafePointer(table)
    }()

    /// By state * 16 + class.
    nonisolated(unsafe) static let steps: UnsafePointer<UInt8> = {
        let table = UnsafeMutablePointer<UInt8>.allocate(capacity: 9 * 16)
        table.initialize(repeating: refused, count: 9 * 16)
        for (index, first) in bounds.enumerated() {
            for (range, to) in leads where range.contains(first) { table[Int(complete) << 4 | index] = to }
            for (from, range, to) in follows where range.contains(first) { table[Int(from) << 4 | index] = to }
        }
        return UnsafePointer(table)
    }()
}

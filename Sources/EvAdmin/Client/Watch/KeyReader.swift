// The bytes of a terminal's keyboard as keys (ECMA-48, and what xterm sends). Law: any bytes may come, also split
// anywhere; what is no key is left out.

enum Key: Equatable {
    case up, down, left, right
    case pageUp, pageDown, home, end
    case enter
    /// Alone, or as it turns out when nothing follows.
    case escape
    /// A printable character of ASCII.
    case letter(Unicode.Scalar)
    /// Ctrl and a letter, which is given in upper case.
    case control(Unicode.Scalar)
}

struct KeyReader {
    private var pending: [UInt8] = []

    /// No sequence of a key is longer.
    private static let longest = 32

    /// Whether an escape has come that may be the beginning of a key, or the key itself.
    var isUndecided: Bool { !pending.isEmpty }

    mutating func feed(_ bytes: some Sequence<UInt8>) -> [Key] {
        pending += bytes
        var keys: [Key] = []
        while let (key, count) = next() {
            if let key { keys.append(key) }
            pending.removeFirst(count)
        }
        return keys
    }

    /// Nothing has followed for a while.
    mutating func settle() -> [Key] {
        defer { pending = [] }
        return pending == [0x1b] ? [.escape] : []
    }

    /// The first key and how many bytes it takes; nil if more bytes are needed, a key of nil for what is none.
    private func next() -> (key: Key?, count: Int)? {
        guard let first = pending.first else { return nil }
        switch first {
        case 0x0d, 0x0a: return (.enter, 1)
        case 0x1b: return sequence()
        case 0x01..<0x1b: return (.control(Unicode.Scalar(first + 0x40)), 1)
        case 0x20..<0x7f: return (.letter(Unicode.Scalar(first)), 1)
        default: return (nil, 1)
        }
    }

    private func sequence() -> (key: Key?, count: Int)? {
        guard pending.count > 1 else { return nil }
        switch pending[1] {
        case UInt8(ascii: "["):
            guard let end = pending.indices.dropFirst(2).first(where: { (0x40...0x7e).contains(pending[$0]) }) else {
                return pending.count > Self.longest ? (nil, pending.count) : nil
            }
            return (Self.key(pending[2..<end], pending[end]), end + 1)
        case UInt8(ascii: "O"):
            guard pending.count > 2 else { return nil }
            return (Self.key([], pending[2]), 3)
        case 0x1b: return (.escape, 1)
        // Alt and a key.
        default: return (nil, 2)
        }
    }

    private static func key(_ parameters: ArraySlice<UInt8>, _ final: UInt8) -> Key? {
        switch final {
        case UInt8(ascii: "A"): return .up
        case UInt8(ascii: "B"): return .down
        case UInt8(ascii: "C"): return .right
        case UInt8(ascii: "D"): return .left
        case UInt8(ascii: "H"): return .home
        case UInt8(ascii: "F"): return .end
        case UInt8(ascii: "~"):
            switch String(decoding: parameters, as: UTF8.self) {
            case "1", "7": return .home
            case "4", "8": return .end
            case "5": return .pageUp
            case "6": return .pageDown
            default: return nil
            }
        default: return nil
        }
    }
}

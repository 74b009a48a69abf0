// Redis's protocol, version 2, as values: bytes in, replies out; no I/O. Malformed bytes give an error and never a
// trap, and no reply takes more memory than the limits allow.

/// One reply of a Redis server.
package enum RESPValue: Equatable, Sendable {
    case simple([UInt8])
    case error(String)
    case integer(Int)
    /// Nil is the null bulk string.
    case bulk([UInt8]?)
    /// Nil is the null array.
    case array([RESPValue]?)
}

package enum RESPError: Error, Equatable {
    case unknownType(UInt8)
    case badNumber
    case badLineEnd
    case tooLong
    case tooManyElements
    case tooDeep
}

/// Takes bytes in pieces of any size and returns replies when they are complete. After an error it must not be used.
package struct RESPParser: Sendable {
    package struct Limits: Sendable {
        /// The most bytes of a line, and of a bulk string.
        package var line = 65_536
        package var bulk = 32 << 20
        package var elements = 10_000
        package var depth = 4
        /// The most bytes of one whole reply.
        package var reply = 64 << 20

        package init() {}
    }

    /// An incomplete array: the elements so far, and how many it will have.
    private struct Open {
        var elements: [RESPValue]
        let count: Int
    }

    private let limits: Limits
    private var buffer: [UInt8] = []
    private var position = 0
    /// The buffer contains no end of a line before this position.
    private var searched = 0
    /// The length of a bulk string whose bytes are still to be read.
    private var pendingBulk: Int?
    private var open: [Open] = []
    private var replyBytes = 0

    package init(limits: Limits = Limits()) { self.limits = limits }

    package mutating func append(_ bytes: some Sequence<UInt8>) {
        if position > 0 {
            buffer.removeFirst(position)
            searched -= position
            position = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// Returns the next reply; nil if more bytes are needed.
    package mutating func next() throws(RESPError) -> RESPValue? {
        while let value = try element() {
            guard let whole = close(value) else { continue }
            replyBytes = 0
            return whole
        }
        return nil
    }

    /// Adds a value to the array that it belongs to. Returns a value that belongs to no array: a complete reply.
    private mutating func close(_ value: Element) -> RESPValue? {
        guard case .value(var value) = value else { return nil }
        while var array = open.popLast() {
            array.elements.append(value)
            guard array.elements.count == array.count else {
                open.append(array)
                return nil
            }
            value = .array(array.elements)
        }
        return value
    }

    private enum Element {
        case value(RESPValue)
        /// The header of an array or of a bulk string has been read; more bytes follow.
        case header
    }

    private mutating func element() throws(RESPError) -> Element? {
        if let count = pendingBulk {
            guard buffer.count - position >= count + 2 else { return nil }
            let end = position + count
            guard buffer[end] == 13, buffer[end + 1] == 10 else { throw .badLineEnd }
            let bytes = Array(buffer[position..<end])
            try consume(count + 2)
            pendingBulk = nil
            return .value(.bulk(bytes))
        }
        guard let line = try line(), let type = line.first else { return nil }
        let rest = line.dropFirst()
        switch type {
        case UInt8(ascii: "+"): return .value(.simple(Array(rest)))
        case UInt8(ascii: "-"): return .value(.error(String(decoding: rest, as: UTF8.self)))
        case UInt8(ascii: ":"): return .value(.integer(try Self.number(rest)))
        case UInt8(ascii: "$"):
            let count = try Self.number(rest)
            if count == -1 { return .value(.bulk(nil)) }
            guard count >= 0 else { throw .badNumber }
            guard count <= limits.bulk else { throw .tooLong }
            pendingBulk = count
            return .header
        case UInt8(ascii: "*"):
            let count = try Self.number(rest)
            if count == -1 { return .value(.array(nil)) }
            guard count >= 0 else { throw .badNumber }
            guard count <= limits.elements else { throw .tooManyElements }
            guard open.count < limits.depth else { throw .tooDeep }
            if count == 0 { return .value(.array([])) }
            open.append(Open(elements: [], count: count))
            return .header
        default: throw .unknownType(type)
        }
    }

    /// Returns the next line without its end; nil if the end has not arrived. A CR or LF alone is an error.
    private mutating func line() throws(RESPError) -> ArraySlice<UInt8>? {
        guard position < buffer.count else { return nil }
        guard let end = buffer[searched...].firstIndex(where: { $0 == 13 || $0 == 10 }) else {
            searched = buffer.count
            guard searched - position <= limits.line else { throw .tooLong }
            return nil
        }
        searched = end
        guard end - position <= limits.line else { throw .tooLong }
        guard buffer[end] == 13, end > position else { throw .badLineEnd }
        guard end + 1 < buffer.count else { return nil }
        guard buffer[end + 1] == 10 else { throw .badLineEnd }
        let line = buffer[position..<end]
        try consume(line.count + 2)
        return line
    }

    private mutating func consume(_ count: Int) throws(RESPError) {
        position += count
        searched = position
        replyBytes += count
        guard replyBytes <= limits.reply else { throw .tooLong }
    }

    /// A decimal number in at most 18 digits, with or without a minus.
    private static func number(_ text: ArraySlice<UInt8>) throws(RESPError) -> Int {
        let isNegative = text.first == UInt8(ascii: "-")
        let digits = isNegative ? text.dropFirst() : text
        guard 1...18 ~= digits.count else { throw .badNumber }
        var value = 0
        for digit in digits {
            guard 0x30...0x39 ~= digit else { throw .badNumber }
            value = value * 10 + Int(digit - 0x30)
        }
        return isNegative ? -value : value
    }
}

/// A command as Redis reads it: an array of bulk strings.
func respCommand(_ words: [[UInt8]], to bytes: inout [UInt8]) {
    bytes += "*\(words.count)\r\n".utf8
    for word in words {
        bytes += "$\(word.count)\r\n".utf8
        bytes += word
        bytes += "\r\n".utf8
    }
}

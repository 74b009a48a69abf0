// Where the key of a request is, and where a response names one. Law: bytes are compared as they are; what is not found
// exactly is not there.

import HTTPCore

enum StickyKey {
    /// The value of a cookie in the `Cookie` fields of a request; nil for none, and for an empty one.
    static func cookie(_ name: [UInt8], in head: RequestHead) -> UnsafeRawBufferPointer? {
        for field in head.fields where head.matches(field.name, "cookie") {
            let bytes = head.bytes(of: field.value)
            var start = 0
            while start < bytes.count {
                let end = bytes[start...].firstIndex(of: UInt8(ascii: ";")) ?? bytes.count
                var pair = trimmed(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                if let equals = begins(pair, with: name) {
                    pair = trimmed(UnsafeRawBufferPointer(rebasing: pair[equals...]))
                    if !pair.isEmpty { return pair }
                }
                start = end + 1
            }
        }
        return nil
    }

    /// The value of the first parameter of that name in the query.
    static func parameter(_ name: [UInt8], in head: RequestHead) -> UnsafeRawBufferPointer? {
        let bytes = head.bytes(of: head.query)
        var start = 0
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "&")) ?? bytes.count
            let pair = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
            if let equals = begins(pair, with: name), equals < pair.count {
                return UnsafeRawBufferPointer(rebasing: pair[equals...])
            }
            start = end + 1
        }
        return nil
    }

    /// - Parameter name: in lower case.
    static func field(_ name: [UInt8], in head: RequestHead) -> UnsafeRawBufferPointer? {
        let value = head.lastValue(of: name)
        return value.isEmpty ? nil : value
    }

    // MARK: what a response names

    /// Calls with each value that a response gives a cookie.
    static func cookies(
        _ name: [UInt8], setBy lines: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        let field: StaticString = "set-cookie"
        var start = 0
        while start < lines.count {
            let end = lines[start...].firstIndex(of: UInt8(ascii: "\r")) ?? lines.count
            let line = UnsafeRawBufferPointer(rebasing: lines[start..<end])
            start = end + 2
            let length = field.utf8CodeUnitCount
            guard line.count > length + 1, line[length] == UInt8(ascii: ":"),
                zip(line, field.bytes).allSatisfy({ $0 | 0x20 == $1 | 0x20 })
            else { continue }
            let value = trimmed(UnsafeRawBufferPointer(rebasing: line[(length + 1)...]))
            guard let equals = begins(value, with: name) else { continue }
            let last = value[equals...].firstIndex(of: UInt8(ascii: ";")) ?? value.count
            let found = trimmed(UnsafeRawBufferPointer(rebasing: value[equals..<last]))
            if !found.isEmpty { body(found) }
        }
    }

    /// Bytes of a body that are looked at.
    private static let depth = 1024

    /// The value of the first member of a name in what looks like JSON, where it is a text without escapes.
    static func member(_ name: [UInt8], in body: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let bytes = UnsafeRawBufferPointer(rebasing: body.prefix(depth))
        let quote = UInt8(ascii: "\"")
        var place = 0
        while let start = bytes[place...].firstIndex(of: quote) {
            place = start + 1
            guard bytes.count - place > name.count, bytes[place + name.count] == quote,
                bytes[place..<(place + name.count)].elementsEqual(name)
            else { continue }
            var next = skipBlanks(bytes, place + name.count + 1)
            guard next < bytes.count, bytes[next] == UInt8(ascii: ":") else { continue }
            next = skipBlanks(bytes, next + 1)
            guard next < bytes.count, bytes[next] == quote else { continue }
            let value = bytes[(next + 1)...]
            guard let end = value.firstIndex(where: { $0 == quote || $0 == UInt8(ascii: "\\") }),
                bytes[end] == quote, end > next + 1
            else { return nil }
            return UnsafeRawBufferPointer(rebasing: bytes[(next + 1)..<end])
        }
        return nil
    }

    // MARK: parts

    /// The place behind `NAME=`; nil where bytes do not begin so.
    private static func begins(_ bytes: UnsafeRawBufferPointer, with name: [UInt8]) -> Int? {
        guard bytes.count > name.count, bytes[name.count] == UInt8(ascii: "="),
            bytes.prefix(name.count).elementsEqual(name)
        else { return nil }
        return name.count + 1
    }

    private static func trimmed(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var (start, end) = (0, bytes.count)
        while start < end, isBlank(bytes[start]) { start += 1 }
        while start < end, isBlank(bytes[end - 1]) { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
    }

    private static func skipBlanks(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Int {
        var place = start
        while place < bytes.count, isBlank(bytes[place]) || bytes[place] == 10 || bytes[place] == 13 { place += 1 }
        return place
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 }
}

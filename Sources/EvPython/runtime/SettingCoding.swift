// Values as bytes, in the form of evgateway/values.py: one letter, then a decimal number and ";" where the value has a
// length. n; t and f; i12; and r1.5; for numbers; s5;hello in UTF-8; l2; and its items; d1; and its names and values.

import EvSettings

enum SettingCoding {
    static func encode(_ value: SettingValue) -> [UInt8] {
        var bytes: [UInt8] = []
        append(value, to: &bytes)
        return bytes
    }

    private static func append(_ value: SettingValue, to bytes: inout [UInt8]) {
        switch value {
        case .none: bytes.append(UInt8(ascii: "n"))
        case .boolean(let flag): bytes.append(flag ? UInt8(ascii: "t") : UInt8(ascii: "f"))
        case .integer(let number): bytes.append(contentsOf: "i\(number);".utf8)
        case .number(let number): bytes.append(contentsOf: "r\(number);".utf8)
        case .text(let text):
            bytes.append(contentsOf: "s\(text.utf8.count);".utf8)
            bytes.append(contentsOf: text.utf8)
        case .list(let items):
            bytes.append(contentsOf: "l\(items.count);".utf8)
            for item in items { append(item, to: &bytes) }
        case .table(let entries):
            bytes.append(contentsOf: "d\(entries.count);".utf8)
            for entry in entries {
                append(.text(entry.name), to: &bytes)
                append(entry.value, to: &bytes)
            }
        }
    }

    /// Nil for bytes that are no value.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> SettingValue? {
        var rest = bytes[...]
        return take(&rest)
    }

    private static func take(_ rest: inout Slice<UnsafeRawBufferPointer>) -> SettingValue? {
        guard let letter = rest.popFirst() else { return nil }
        switch letter {
        case UInt8(ascii: "n"): return SettingValue.none
        case UInt8(ascii: "t"): return .boolean(true)
        case UInt8(ascii: "f"): return .boolean(false)
        default: break
        }
        let digits = String(decoding: rest.prefix { $0 != UInt8(ascii: ";") }, as: UTF8.self)
        rest = rest.dropFirst(digits.utf8.count + 1)
        if letter == UInt8(ascii: "i") { return Int(digits).map { .integer($0) } ?? .text(digits) }
        if letter == UInt8(ascii: "r") { return Double(digits).map { .number($0) } }
        guard let count = Int(digits), count >= 0 else { return nil }
        switch letter {
        case UInt8(ascii: "s"):
            let text = rest.prefix(count)
            rest = rest.dropFirst(count)
            return .text(String(decoding: text, as: UTF8.self))
        case UInt8(ascii: "l"):
            var items: [SettingValue] = []
            for _ in 0..<count {
                guard let item = take(&rest) else { return nil }
                items.append(item)
            }
            return .list(items)
        case UInt8(ascii: "d"):
            var entries: [SettingValue.Entry] = []
            for _ in 0..<count {
                guard case .text(let name)? = take(&rest), let value = take(&rest) else { return nil }
                entries.append(SettingValue.Entry(name, value))
            }
            return .table(entries)
        default:
            return nil
        }
    }
}

extension SettingValue {
    /// Of a table.
    subscript(name: String) -> SettingValue? {
        guard case .table(let entries) = self else { return nil }
        return entries.first { $0.name == name }?.value
    }

    var text: String? { if case .text(let text) = self { text } else { nil } }
    var integer: Int? { if case .integer(let number) = self { number } else { nil } }
    var items: [SettingValue] { if case .list(let items) = self { items } else { [] } }

    /// `[name, value, line]`, as the Python package gives settings.
    var fileSetting: FileSetting? {
        let parts = items
        guard parts.count == 3, let name = parts[0].text else { return nil }
        return FileSetting(name, parts[1], line: parts[2].integer)
    }

    static func texts(_ texts: [String]) -> SettingValue { .list(texts.map { .text($0) }) }

    static func texts(_ table: [String: String]) -> SettingValue {
        .table(table.sorted { $0.key < $1.key }.map { Entry($0.key, .text($0.value)) })
    }
}

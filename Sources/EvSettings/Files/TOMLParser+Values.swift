// The grammar of TOML's values, strings apart.

extension TOMLParser {
    /// Takes a value. `depth` is how deep it lies.
    mutating func value(depth: Int) throws(FileSyntaxError) -> SettingValue {
        guard depth <= Self.mostDepth else { throw tooDeep() }
        switch cursor.next {
        case UInt8(ascii: "\""), UInt8(ascii: "'"): return .text(try string())
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "{"): return try inlineTable(depth: depth)
        default: return try scalar()
        }
    }

    private mutating func array(depth: Int) throws(FileSyntaxError) -> SettingValue {
        let line = cursor.line
        var values: [SettingValue] = []
        cursor.take()
        while true {
            try skipEmptyLines()
            if cursor.take("]") { return .list(values) }
            guard !cursor.isAtEnd else { throw FileSyntaxError(line: line, "the array is not closed") }
            values.append(try value(depth: depth + 1))
            try skipEmptyLines()
            guard cursor.take(",") || cursor.next == UInt8(ascii: "]") || cursor.isAtEnd else {
                throw failure("expected , or ] after a value of an array")
            }
        }
    }

    /// It stands on one line, and has no comma at its end.
    private mutating func inlineTable(depth: Int) throws(FileSyntaxError) -> SettingValue {
        let table = TOMLTable()
        cursor.take()
        cursor.skipBlanks()
        if cursor.take("}") { return table.value }
        repeat {
            try entry(of: table, depth: depth)
            cursor.skipBlanks()
        } while cursor.take(",")
        guard cursor.take("}") else { throw failure("expected , or } after a value of an inline table") }
        return table.value
    }

    /// Takes a number or a Boolean.
    private mutating func scalar() throws(FileSyntaxError) -> SettingValue {
        let bytes = cursor.take(while: Self.belongsToScalar)
        let word = String(decoding: bytes, as: UTF8.self)
        switch word {
        case "": throw failure("expected a value")
        case "true": return .boolean(true)
        case "false": return .boolean(false)
        case "inf", "+inf", "-inf", "nan", "+nan", "-nan":
            throw FileSyntaxError(line: cursor.line, "inf and nan are not used by any setting")
        default: break
        }
        if TOMLNumber.isDate(bytes) { throw FileSyntaxError(line: cursor.line, "dates are not used by any setting") }
        do {
            return try TOMLNumber.read(bytes)
        } catch {
            throw FileSyntaxError(line: cursor.line, "'\(word.oneLine)' \(error.reason)")
        }
    }

    private static func belongsToScalar(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "_"): true
        default: byte.isLetter || byte.isDigit
        }
    }
}

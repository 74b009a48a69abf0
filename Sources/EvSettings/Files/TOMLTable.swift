// A table of a TOML document while it is read, and the rules about what may be defined twice.

final class TOMLTable {
    /// The bytes of a name: names are equal if their code points are, which is stricter than `==` of String.
    typealias Key = [UInt8]

    /// An array of tables, which `[[name]]` makes longer.
    final class Array {
        var tables: [TOMLTable] = []
    }

    enum Item {
        /// Closed: nothing can be added to an inline table or an array.
        case value(SettingValue)
        case table(TOMLTable)
        case array(Array)
    }

    struct Slot {
        let name: String
        /// Where the name was defined first.
        let line: Int
        let item: Item
    }

    /// In the order of the file.
    private(set) var slots: [Slot] = []
    private var positions: [Key: Int] = [:]
    /// A header `[name]` has defined it.
    private var hasHeader = false
    /// Dotted keys have added to it. Only keys of the same section can reach it once more, so no header may name it.
    private var isDotted = false

    subscript(key: Key) -> Item? { positions[key].map { slots[$0].item } }

    private func add(_ key: Key, _ item: Item, line: Int) {
        positions[key] = slots.count
        slots.append(Slot(name: String(decoding: key, as: UTF8.self), line: line, item: item))
    }

    /// `key = value`
    func define(_ key: Key, _ value: SettingValue, line: Int) throws(FileSyntaxError) {
        guard self[key] == nil else { throw Self.redefinition(key, line) }
        add(key, .value(value), line: line)
    }

    /// The table that `key.` in front of another key means.
    func dotted(_ key: Key, line: Int) throws(FileSyntaxError) -> TOMLTable {
        let table: TOMLTable
        switch self[key] {
        case nil:
            table = TOMLTable()
            add(key, .table(table), line: line)
        case .table(let existing) where !existing.hasHeader:
            table = existing
        default:
            throw Self.redefinition(key, line)
        }
        table.isDotted = true
        return table
    }

    /// The table that `[key.` means: of an array, the last one.
    func parent(_ key: Key, line: Int) throws(FileSyntaxError) -> TOMLTable {
        switch self[key] {
        case nil:
            let table = TOMLTable()
            add(key, .table(table), line: line)
            return table
        case .table(let table): return table
        case .array(let array): if let last = array.tables.last { return last }
        case .value: break
        }
        throw Self.redefinition(key, line)
    }

    /// The table of the header `[key]`.
    func header(_ key: Key, line: Int) throws(FileSyntaxError) -> TOMLTable {
        switch self[key] {
        case nil, .table: break
        case .array, .value: throw Self.redefinition(key, line)
        }
        let table = try parent(key, line: line)
        guard !table.hasHeader, !table.isDotted else { throw Self.redefinition(key, line) }
        table.hasHeader = true
        return table
    }

    /// A new table of the header `[[key]]`.
    func element(_ key: Key, line: Int) throws(FileSyntaxError) -> TOMLTable {
        let array: Array
        switch self[key] {
        case nil:
            array = Array()
            add(key, .array(array), line: line)
        case .array(let existing): array = existing
        case .table, .value: throw Self.redefinition(key, line)
        }
        let table = TOMLTable()
        table.hasHeader = true
        array.tables.append(table)
        return table
    }

    private static func redefinition(_ key: Key, _ line: Int) -> FileSyntaxError {
        FileSyntaxError(line: line, "'\(String(decoding: key, as: UTF8.self).oneLine)' is already defined")
    }
}

extension TOMLTable {
    var value: SettingValue { .table(slots.map { SettingValue.Entry($0.name, $0.item.value) }) }
}

extension TOMLTable.Item {
    var value: SettingValue {
        switch self {
        case .value(let value): value
        case .table(let table): table.value
        case .array(let array): .list(array.tables.map(\.value))
        }
    }
}

// Reads TOML 1.0 (toml.io/en/v1.0.0), the form of `evgateway.toml` and `pyproject.toml`. Dates, infinities and "not a
// number" are refused: no setting takes them.

package enum TOMLReader {
    /// The entries of the table at the path `table`, in the order of the file; none if there is no such table.
    /// A nested table is a `.table`, an array of tables a `.list` of them.
    package static func read(_ text: String, table: [String] = []) throws(FileSyntaxError) -> [FileSetting] {
        var parser = TOMLParser(text)
        var slots = try parser.document().slots
        for (index, name) in table.enumerated() {
            guard let slot = slots.first(where: { $0.name == name }) else { return [] }
            switch slot.item {
            case .table(let table):
                slots = table.slots
            case .value(.table(let entries)):
                slots = entries.map { TOMLTable.Slot(name: $0.name, line: slot.line, item: .value($0.value)) }
            case .value, .array:
                let path = table[...index].joined(separator: ".")
                throw FileSyntaxError(line: slot.line, "'\(path)' must be a table")
            }
        }
        return slots.map { FileSetting($0.name, $0.item.value, line: $0.line) }
    }
}

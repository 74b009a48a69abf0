// Rows in aligned columns.

struct Table {
    struct Column {
        var title: String
        var isRight = false
        /// It gives way first where the table is wider than the terminal.
        var isElastic = false
    }

    struct Cell {
        var text: String
        var style = Line.Style.plain

        init(_ text: String, _ style: Line.Style = .plain) {
            self.text = text
            self.style = style
        }
    }

    let columns: [Column]
    private var rows: [[Cell]] = []

    /// An elastic column keeps so many columns of the terminal.
    private static let least = 12

    init(_ columns: [Column]) { self.columns = columns }

    mutating func add(_ cells: [Cell]) { rows.append(cells) }

    var isEmpty: Bool { rows.isEmpty }

    /// The head and then each row.
    ///
    /// - Parameter width: the columns of the terminal; nil cuts nothing.
    func lines(width: Int?) -> [Line] {
        var widths = naturalWidths
        // Where two spaces are too much, one must do.
        let gap = width.map { widths.reduce(2 * (widths.count - 1), +) <= $0 } ?? true ? 2 : 1
        if let width { shrink(&widths, by: widths.reduce(gap * (widths.count - 1), +) - width) }
        let head = columns.map { Cell($0.title, .bold) }
        return ([head] + rows).map { line($0, widths, gap).cut(to: width) }
    }

    private var naturalWidths: [Int] {
        columns.indices.map { index in
            rows.reduce(Printable.width(columns[index].title)) { most, row in
                index < row.count ? max(most, Printable.width(row[index].text)) : most
            }
        }
    }

    private func shrink(_ widths: inout [Int], by excess: Int) {
        var excess = excess
        for index in columns.indices.reversed() where columns[index].isElastic && excess > 0 {
            let taken = max(0, min(excess, widths[index] - Self.least))
            widths[index] -= taken
            excess -= taken
        }
    }

    private func line(_ cells: [Cell], _ widths: [Int], _ gap: Int) -> Line {
        var line = Line()
        for (index, cell) in cells.enumerated() where index < columns.count {
            if index > 0 { line.append(String(repeating: " ", count: gap)) }
            let text = Printable.cut(cell.text, to: widths[index])
            let space = String(repeating: " ", count: max(0, widths[index] - Printable.width(text)))
            if columns[index].isRight { line.append(space) }
            line.append(text, cell.style)
            if !columns[index].isRight, index < cells.count - 1 { line.append(space) }
        }
        return line
    }
}

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

    private static let gap = "  "
    /// An elastic column keeps so many columns of the terminal.
    private static let least = 12

    init(_ columns: [Column]) { self.columns = columns }

    mutating func add(_ cells: [Cell]) { rows.append(cells) }

    var isEmpty: Bool { rows.isEmpty }

    /// The head and then each row.
    ///
    /// - Parameter width: the columns of the terminal; nil cuts nothing.
    func lines(width: Int?) -> [Line] {
        let widths = self.widths(in: width)
        let head = columns.map { Cell($0.title, .bold) }
        return ([head] + rows).map { line($0, widths).cut(to: width) }
    }

    private func widths(in width: Int?) -> [Int] {
        var widths = columns.indices.map { index in
            rows.reduce(Printable.width(columns[index].title)) { most, row in
                index < row.count ? max(most, Printable.width(row[index].text)) : most
            }
        }
        guard let width else { return widths }
        for index in columns.indices.reversed() where columns[index].isElastic {
            let excess = widths.reduce(0, +) + Self.gap.utf8.count * (widths.count - 1) - width
            guard excess > 0 else { break }
            widths[index] = min(widths[index], max(Self.least, widths[index] - excess))
        }
        return widths
    }

    private func line(_ cells: [Cell], _ widths: [Int]) -> Line {
        var line = Line()
        for (index, cell) in cells.enumerated() where index < columns.count {
            if index > 0 { line.append(Self.gap) }
            let text = Printable.cut(cell.text, to: widths[index])
            let space = String(repeating: " ", count: max(0, widths[index] - Printable.width(text)))
            if columns[index].isRight { line.append(space) }
            line.append(text, cell.style)
            if !columns[index].isRight, index < cells.count - 1 { line.append(space) }
        }
        return line
    }
}

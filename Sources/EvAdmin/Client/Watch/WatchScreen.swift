// The live view as lines: a function of the model and the size of the terminal, for every size.

struct WatchScreen {
    let model: WatchModel
    let columns: Int
    let rows: Int

    /// Exactly as many lines as the terminal has rows, none wider than it.
    var lines: [Line] {
        guard rows > 0, columns > 0 else { return [] }
        let head = self.head
        let footer = rows > 2 ? [self.footer] : []
        let room = max(0, rows - head.count - footer.count)
        var lines = head + Array(body(room).prefix(room))
        lines += Array(repeating: Line(), count: max(0, rows - footer.count - lines.count))
        return (lines + footer).map { $0.cut(to: columns) }
    }

    // MARK: head and foot

    private var head: [Line] {
        guard let status = model.status else { return rows > 2 ? [Line("evgateway", .bold)] : [] }
        let sums = StatusText.sums(status, rate: model.rates.total)
        if rows < 4 { return [] }
        if rows < 8 { return [sums] }
        let head = StatusText.head(status).dropLast() + [sums]
        return rows < 12 ? [head[0], sums] : Array(head) + [Line()]
    }

    private var footer: Line {
        if let notice = model.notice { return Line("trying again: \(notice)", .bad) }
        switch model.view {
        case .workers: return Line("q leave  ? help  c connections  s stacks  < > sort  r reverse", .faint)
        case .help: return Line("q back", .faint)
        case .connections: return Line("q back  s stacks  up down scroll", .faint)
        case .stacks: return Line("q back  s again  c connections  up down scroll", .faint)
        }
    }

    private func body(_ room: Int) -> [Line] {
        switch model.view {
        case .workers: workers(room)
        case .help: Self.help
        case .connections: connections(room)
        case .stacks: stacks(room)
        }
    }

    // MARK: workers

    private func workers(_ room: Int) -> [Line] {
        guard let status = model.status else { return [] }
        let requests = StatusText.requests(status, most: 100)
        let requestLines = requests.isEmpty ? [] : requests.lines(width: columns)
        // A third of the room is for what has run longest, if that much is asked for.
        let kept = requestLines.isEmpty ? 0 : min(requestLines.count + 2, room / 3)
        let table = table.lines(width: columns)
        let shown = min(table.count, max(room - kept, min(room, 3)))
        var lines = window(table, shown)
        let restarts = StatusText.restarts(status, most: 100)
        for (title, section) in [
            ("Longest requests", requestLines),
            ("Last restarts", restarts.isEmpty ? [] : restarts.lines(width: columns)),
        ] where !section.isEmpty && room - lines.count >= 4 {
            lines += [Line(), Line(title, .bold)] + section.prefix(room - lines.count - 2)
        }
        return lines
    }

    /// The head of the table, and the rows around the picked one.
    private func window(_ table: [Line], _ count: Int) -> [Line] {
        let workers = model.sortedWorkers
        let visible = max(0, count - 1)
        let picked = workers.firstIndex { $0.pid == model.picked } ?? 0
        let first = max(0, min(picked - visible / 2, workers.count - visible))
        let rows = table.dropFirst().enumerated().map { index, line in
            index == picked ? line.reversed(to: columns) : line
        }
        return Array(table.prefix(1)) + rows.dropFirst(first).prefix(visible)
    }

    private var table: Table {
        var table = Table(
            WatchModel.Column.allCases.map { column in
                let mark = column == model.column ? (model.isAscending ? "^" : "v") : ""
                return Table.Column(title: Self.title(column) + mark, isRight: column != .state)
            })
        for worker in model.sortedWorkers {
            table.add([
                .init(Figures.count(worker.worker)), .init(Figures.count(worker.pid)), StatusText.state(worker),
                .init(Figures.brief(worker.uptime)), .init(StatusText.connections(worker)),
                .init(Figures.count(worker.inFlight)), .init(Figures.count(worker.requests)),
                .init(model.rates.requests(of: worker).map { Figures.decimal($0, digits: 1) } ?? Figures.unknown),
                .init(Figures.bytes(worker.rss)), .init(Figures.percent(model.rates.load(of: worker))),
            ])
        }
        return table
    }

    private static func title(_ column: WatchModel.Column) -> String {
        switch column {
        case .worker: "WORKER"
        case .pid: "PID"
        case .state: "STATE"
        case .uptime: "UP"
        case .connections: "CONN"
        case .inFlight: "FLIGHT"
        case .requests: "REQUESTS"
        case .rate: "REQ/S"
        case .memory: "RSS"
        case .load: "CPU%"
        }
    }

    // MARK: details

    private func connections(_ room: Int) -> [Line] {
        guard let worker = model.connections.first else { return [Line("Asking for connections")] }
        let head = [DetailText.title(worker)] + DetailText.table(worker.connections).lines(width: columns).prefix(1)
        return head + model.detail(width: columns).dropFirst(model.scroll)
    }

    private func stacks(_ room: Int) -> [Line] {
        guard !model.stacks.isEmpty else { return [Line("Asking for stacks")] }
        return Array(model.detail(width: columns).dropFirst(model.scroll))
    }

    private static let help = [
        Line("Keys", .bold),
        Line("  up down, j k    picks a worker, or scrolls"),
        Line("  left right, < > picks the column that sorts"),
        Line("  r               sorts the other way round"),
        Line("  c, Enter        the connections of the picked worker"),
        Line("  s               its stacks, as they are then"),
        Line("  space           asks the server now"),
        Line("  q, Esc          back, and out of here; also Ctrl-C"),
        Line("  Ctrl-Z          sleeps until fg"),
        Line("  ?               this help"),
    ]

    // MARK: bytes

    /// What draws the lines over whatever stands on the terminal (ECMA-48).
    static func bytes(_ lines: [Line], columns: Int, _ ink: Line.Ink) -> [UInt8] {
        var bytes = Array("\u{1b}[H".utf8)
        for (index, line) in lines.enumerated() {
            if index > 0 { bytes += "\r\n".utf8 }
            bytes += line.bytes(ink)
            // At the end of a full line the cursor stands on its last character.
            if line.width < columns { bytes += "\u{1b}[K".utf8 }
        }
        return bytes
    }
}

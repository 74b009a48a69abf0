// `evgateway connections` and `evgateway stack`: what single workers tell.

enum DetailText {
    // MARK: connections

    static func connections(_ workers: [WorkerConnections], width: Int?) -> [Line] {
        var lines: [Line] = []
        for worker in workers {
            if !lines.isEmpty { lines.append(Line()) }
            lines.append(title(worker).cut(to: width))
            if !worker.connections.isEmpty { lines += table(worker.connections).lines(width: width) }
        }
        return lines.isEmpty ? [Line("There is no worker")] : lines
    }

    static func title(_ worker: WorkerConnections) -> Line {
        let total = worker.total ?? worker.connections.count
        var line = Line("Worker \(Figures.count(worker.worker)) (pid \(Figures.count(worker.pid)))", .bold)
        line.append(": \(Figures.count(total, "connection"))")
        if worker.connections.count < total { line.append(", \(worker.connections.count) of them known") }
        if worker.isShared {
            line.append("; it does not answer: as it was \(Figures.time(worker.asOf)) ago", .warning)
        }
        return line
    }

    static func table(_ connections: [ConnectionEntry]) -> Table {
        var table = Table([
            .init(title: "PEER"), .init(title: "CLIENT"), .init(title: "STATE"), .init(title: "SINCE", isRight: true),
            .init(title: "REQUEST", isElastic: true), .init(title: "IN", isRight: true),
            .init(title: "OUT", isRight: true),
            .init(title: "WAITS FOR"),
        ])
        for connection in connections {
            table.add([
                .init(connection.peer), .init(connection.client ?? Figures.unknown), .init(connection.state),
                .init(Figures.brief(connection.since)), .init(connection.request ?? Figures.unknown),
                .init(Figures.bytes(connection.bytesIn)), .init(Figures.bytes(connection.bytesOut)),
                .init(connection.waitsFor),
            ])
        }
        return table
    }

    // MARK: stacks

    static func stacks(_ workers: [WorkerStacks], width: Int?) -> [Line] {
        var lines: [Line] = []
        for worker in workers {
            if !lines.isEmpty { lines.append(Line()) }
            lines += stacks(worker).map { $0.cut(to: width) }
        }
        return lines.isEmpty ? [Line("There is no worker")] : lines
    }

    private static func stacks(_ worker: WorkerStacks) -> [Line] {
        var first = Line("Worker \(Figures.count(worker.worker)) (pid \(Figures.count(worker.pid)))", .bold)
        let isEmpty = worker.stacks.isEmpty && worker.lines.isEmpty
        if worker.isBySignal {
            let what = isEmpty ? "and a signal has found no stack" : "its stack as a signal found it"
            first.append(": it does not answer; \(what)", .warning)
        } else if isEmpty {
            first.append(": nothing runs")
        }
        var lines = [first]
        for stack in worker.stacks {
            var head = Line("  " + [stack.kind, stack.name].filter { !$0.isEmpty }.joined(separator: " "))
            if let request = stack.request { head.append(": \(request)", .bold) }
            if let client = stack.client { head.append(" of \(client)") }
            if let age = stack.age { head.append(" for \(Figures.time(age))") }
            lines.append(head)
            lines += stack.frames.map { Line("    " + $0) }
        }
        if worker.leftOut > 0 { lines.append(Line("  ... and \(worker.leftOut) more")) }
        return lines + worker.lines.map { Line("  " + $0) }
    }
}

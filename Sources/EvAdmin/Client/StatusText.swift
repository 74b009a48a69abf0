// `evgateway status`: the server, its workers, what has run longest, and why workers were replaced.

struct StatusText {
    let status: ServerStatus
    /// The columns of the terminal; nil cuts nothing.
    let width: Int?

    /// As many requests and restarts are shown.
    private static let most = 10

    var lines: [Line] {
        var lines = Self.head(status).map { $0.cut(to: width) } + [Line()] + workers.lines(width: width)
        let requests = Self.requests(status, most: Self.most)
        if !requests.isEmpty { lines += [Line(), Line("Longest requests", .bold)] + requests.lines(width: width) }
        let restarts = Self.restarts(status, most: Self.most)
        if !restarts.isEmpty { lines += [Line(), Line("Last restarts", .bold)] + restarts.lines(width: width) }
        return lines
    }

    // MARK: the server

    static func head(_ status: ServerStatus) -> [Line] {
        var first = Line("evgateway \(status.version ?? "?")")
        first.append("  \(status.application ?? "?")", .bold)
        if let name = status.workerClass { first.append(" (\(name))") }
        if let state = status.state { first.append("  \(state)", state == "serving" ? .good : .warning) }
        if let uptime = status.uptime { first.append("  up \(Figures.time(uptime))") }
        if let master = status.master { first.append("  master \(master)") }
        var lines = [first]
        if !status.binds.isEmpty { lines.append(Line("at \(status.binds.joined(separator: ", "))")) }
        lines.append(sums(status))
        return lines
    }

    /// - Parameter rate: requests by the second, where that is known.
    static func sums(_ status: ServerStatus, rate: Double? = nil) -> Line {
        let count = max(status.target ?? 0, status.workers.count)
        let ready = status.ready
        var line = Line("\(ready) of \(Figures.count(count, "worker")) ready", ready < count ? .warning : .good)
        line.append(", \(Figures.count(sum(status) { $0.connections }, "connection"))")
        line.append(
            ", \(sum(status) { $0.inFlight }) in flight, \(Figures.count(sum(status) { $0.requests }, "request"))")
        if let rate { line.append(" (\(Figures.decimal(rate, digits: 1))/s)") }
        if let queue = status.acceptQueue { line.append(", accept queue \(queue)", queue > 0 ? .warning : .plain) }
        return line
    }

    private static func sum(_ status: ServerStatus, _ part: (WorkerStatus) -> Int?) -> Int {
        status.workers.reduce(0) { $0 &+ (part($1) ?? 0) }
    }

    // MARK: tables

    private var workers: Table {
        var table = Table([
            .init(title: "WORKER", isRight: true), .init(title: "PID", isRight: true), .init(title: "STATE"),
            .init(title: "UP", isRight: true), .init(title: "CONN", isRight: true),
            .init(title: "FLIGHT", isRight: true), .init(title: "REQUESTS", isRight: true),
            .init(title: "RSS", isRight: true), .init(title: "CPU%", isRight: true),
        ])
        for worker in status.workers {
            table.add([
                .init(Figures.count(worker.worker)), .init(Figures.count(worker.pid)), Self.state(worker),
                .init(Figures.brief(worker.uptime)), .init(Self.connections(worker)),
                .init(Figures.count(worker.inFlight)),
                .init(Figures.count(worker.requests)), .init(Figures.bytes(worker.rss)),
                .init(Figures.percent(Self.load(worker))),
            ])
        }
        return table
    }

    /// The share of a processor since the start of the worker.
    private static func load(_ worker: WorkerStatus) -> Double? {
        guard let cpu = worker.cpu, let uptime = worker.uptime, uptime > 0 else { return nil }
        return cpu / uptime
    }

    static func state(_ worker: WorkerStatus) -> Table.Cell {
        if worker.isStuck { return .init("stuck \(Figures.brief(worker.silence))", .bad) }
        return .init(worker.state, worker.state == "ready" ? .good : .warning)
    }

    /// `12/1000`
    static func connections(_ worker: WorkerStatus) -> String {
        guard let connections = worker.connections else { return Figures.unknown }
        return worker.limit.map { "\(connections)/\($0)" } ?? "\(connections)"
    }

    static func requests(_ status: ServerStatus, most: Int) -> Table {
        var table = Table([
            .init(title: "AGE", isRight: true), .init(title: "STATE"), .init(title: "METHOD"),
            .init(title: "TARGET", isElastic: true), .init(title: "CLIENT"), .init(title: "WORKER", isRight: true),
        ])
        for (worker, request) in status.slowest.prefix(most) {
            table.add([
                .init(Figures.brief(request.since)), .init(request.state), .init(request.method ?? Figures.unknown),
                .init(request.target ?? Figures.unknown), .init(request.client ?? request.peer),
                .init(Figures.count(worker)),
            ])
        }
        return table
    }

    /// The newest first.
    static func restarts(_ status: ServerStatus, most: Int) -> Table {
        var table = Table([
            .init(title: "AGO", isRight: true), .init(title: "WORKER", isRight: true),
            .init(title: "PID", isRight: true),
            .init(title: "CAUSE"), .init(title: "DETAIL", isElastic: true),
        ])
        for restart in status.restarts.suffix(most).reversed() {
            let ago = status.time.flatMap { now in restart.time.map { max(0, now - $0) } }
            table.add([
                .init(Figures.brief(ago)), .init(Figures.count(restart.worker)), .init(Figures.count(restart.pid)),
                .init(restart.cause, .warning), .init(restart.text),
            ])
        }
        return table
    }
}

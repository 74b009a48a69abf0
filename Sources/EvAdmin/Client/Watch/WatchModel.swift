// What the live view shows, and what keys do to it. Law: a value, without a clock, a terminal or a socket.

struct WatchModel {
    enum View: Equatable {
        case workers
        case connections
        case stacks
        case help
    }

    /// The columns of the table of workers, from left to right.
    enum Column: Int, CaseIterable {
        case worker, pid, state, uptime, connections, inFlight, requests, rate, memory, load
    }

    enum Action: Equatable {
        case nothing
        /// Ask the server now, not only when the second is over.
        case ask
        case leave
    }

    private(set) var status: ServerStatus?
    private(set) var rates = Rates()
    private(set) var view = View.workers
    private(set) var column = Column.worker
    private(set) var isReversed = false
    /// The process id of the picked worker.
    private(set) var picked: Int?
    /// Lines of a detail above the screen.
    private(set) var scroll = 0
    private(set) var connections: [WorkerConnections] = []
    private(set) var stacks: [WorkerStacks] = []
    /// What went wrong; nil while the server answers.
    var notice: String?
    private var needsStacks = false

    // MARK: answers

    mutating func take(_ status: ServerStatus) {
        let row = sortedWorkers.firstIndex { $0.pid == picked } ?? 0
        self.status = status
        rates.take(status)
        // A picked worker that has ended leaves its place in the table to the next one.
        let workers = sortedWorkers
        if !workers.contains(where: { $0.pid == picked }) {
            picked = workers.isEmpty ? nil : workers[min(row, workers.count - 1)].pid
        }
    }

    mutating func take(_ connections: [WorkerConnections]) {
        self.connections = connections
        scroll = min(scroll, lastScroll)
    }

    mutating func take(_ stacks: [WorkerStacks]) {
        self.stacks = stacks
        needsStacks = false
        scroll = min(scroll, lastScroll)
    }

    /// What to ask now, in this order.
    var targets: [String] {
        let worker = pickedWorker?.worker
        switch view {
        case .connections: return ["/status", ClientCommands.target("/connections", worker)]
        // Each question interrupts a worker that is stuck, so it is asked once.
        case .stacks where needsStacks: return ["/status", ClientCommands.target("/stacks", worker)]
        default: return ["/status"]
        }
    }

    // MARK: order

    var pickedWorker: WorkerStatus? { status?.workers.first { $0.pid == picked } }

    var sortedWorkers: [WorkerStatus] {
        let workers = status?.workers ?? []
        let keys = workers.map { key($0) }
        let order = workers.indices.sorted { one, other in
            if keys[one] != keys[other] { return isAscending ? keys[one] < keys[other] : keys[one] > keys[other] }
            return one < other
        }
        return order.map { workers[$0] }
    }

    /// Names begin with the smallest, figures with the largest.
    var isAscending: Bool { (column.rawValue <= Column.state.rawValue) != isReversed }

    private func key(_ worker: WorkerStatus) -> Double {
        switch column {
        case .worker: Double(worker.worker ?? -1)
        case .pid: Double(worker.pid ?? -1)
        case .state: worker.isStuck ? 0 : ["booting": 1, "leaving": 2, "draining": 2][worker.state] ?? 3
        case .uptime: worker.uptime ?? -1
        case .connections: Double(worker.connections ?? -1)
        case .inFlight: Double(worker.inFlight ?? -1)
        case .requests: Double(worker.requests ?? -1)
        case .rate: rates.requests(of: worker) ?? -1
        case .memory: Double(worker.rss ?? -1)
        case .load: rates.load(of: worker) ?? -1
        }
    }

    // MARK: keys

    /// - Parameter page: the rows of the screen.
    mutating func press(_ key: Key, page: Int) -> Action {
        switch key {
        case .control("C"): return .leave
        case .escape, .letter("q"):
            if view == .workers { return .leave }
            view = .workers
        case .letter("?"), .letter("h"): view = view == .help ? .workers : .help
        case .letter("c"), .enter: return open(.connections)
        case .letter("s"): return open(.stacks)
        case .letter("r"): isReversed.toggle()
        case .left, .letter("<"), .letter(","): turn(-1)
        case .right, .letter(">"), .letter("."): turn(1)
        case .up, .letter("k"): move(-1)
        case .down, .letter("j"): move(1)
        case .pageUp: move(-max(1, page - 4))
        case .pageDown: move(max(1, page - 4))
        case .home: move(-1_000_000)
        case .end: move(1_000_000)
        case .letter(" "): return .ask
        default: break
        }
        return .nothing
    }

    private mutating func open(_ view: View) -> Action {
        guard pickedWorker != nil else { return .nothing }
        self.view = view
        scroll = 0
        // What was known of another worker.
        if view == .connections { connections = [] } else { stacks = [] }
        needsStacks = view == .stacks
        return .ask
    }

    private mutating func turn(_ step: Int) {
        guard view == .workers else { return }
        let count = Column.allCases.count
        column = Column(rawValue: (column.rawValue + step + count) % count) ?? .worker
    }

    private mutating func move(_ step: Int) {
        guard view == .workers else {
            scroll = min(max(0, scroll + step), lastScroll)
            return
        }
        let workers = sortedWorkers
        guard !workers.isEmpty else { return }
        let row = workers.firstIndex { $0.pid == picked } ?? 0
        picked = workers[min(max(0, row + step), workers.count - 1)].pid
    }

    /// The last line may come up to the top.
    private var lastScroll: Int { max(0, detail(width: nil).count - 1) }

    /// The lines of the detail that move.
    func detail(width: Int?) -> [Line] {
        switch view {
        case .connections:
            connections.flatMap { Array(DetailText.table($0.connections).lines(width: width).dropFirst()) }
        case .stacks: DetailText.stacks(stacks, width: width)
        default: []
        }
    }
}

/// Requests and processor time of each worker, by the second.
struct Rates {
    private var before: ServerStatus?
    private var requests: [Int: Double] = [:]
    private var loads: [Int: Double] = [:]

    /// Two samples that are closer are no measure.
    private static let shortest = 0.5

    mutating func take(_ status: ServerStatus) {
        guard let time = status.time else { return }
        guard let before, let then = before.time, time >= then else {
            self.before = status
            return
        }
        guard time - then >= Self.shortest else { return }
        requests = [:]
        loads = [:]
        for worker in status.workers {
            guard let pid = worker.pid, let former = before.workers.first(where: { $0.pid == pid }) else { continue }
            if let now = worker.requests, let was = former.requests {
                requests[pid] = Double(max(0, now &- was)) / (time - then)
            }
            if let now = worker.cpu, let was = former.cpu { loads[pid] = max(0, now - was) / (time - then) }
        }
        self.before = status
    }

    func requests(of worker: WorkerStatus) -> Double? { worker.pid.flatMap { requests[$0] } }
    /// 1 for a whole processor.
    func load(of worker: WorkerStatus) -> Double? { worker.pid.flatMap { loads[$0] } }
    /// Of all workers.
    var total: Double? { requests.isEmpty ? nil : requests.values.reduce(0, +) }
}

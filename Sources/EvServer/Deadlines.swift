// Time limits of connections: one FIFO list for each kind of wait and one timer for all of them. The wait of a kind is
// the same for every connection, so appending keeps a list sorted, and the oldest of a kind is its first.

import EvLoop

/// What a connection waits for; the connection is in exactly one of these lists.
enum Wait: Int, CaseIterable {
    case head, body, keepAlive, halfClose, linger
    /// A request runs and nothing limits it here.
    case active
    /// A peer does not read; kept beside the others, on a node of its own.
    case write
}

/// A connection's place in a list.
@LoopActor
final class WaitNode {
    unowned(unsafe) let connection: Connection
    fileprivate(set) var wait: Wait?
    fileprivate(set) var deadline = Double.infinity
    fileprivate unowned(unsafe) var previous: WaitNode?
    fileprivate unowned(unsafe) var next: WaitNode?

    init(_ connection: Connection) { self.connection = connection }
}

@LoopActor
final class Deadlines {
    private struct List {
        unowned(unsafe) var first: WaitNode?
        unowned(unsafe) var last: WaitNode?
        var count = 0
    }

    /// Behind a pointer, because every access to a class's own property may be tracked at run time.
    private let lists: UnsafeMutablePointer<List>
    private var timeouts: [Double]
    private var timer: TimerWatcher?
    private var timerDue = Double.infinity
    private let onExpiry: @LoopActor (Connection, Wait) -> Void

    /// The timer fires no more often than this.
    static let granularity = 0.1

    init(
        _ loop: EventLoop, _ configuration: ServerConfiguration,
        onExpiry: @escaping @LoopActor (Connection, Wait) -> Void
    ) {
        self.onExpiry = onExpiry
        lists = .allocate(capacity: Wait.allCases.count)
        lists.initialize(repeating: List(), count: Wait.allCases.count)
        timeouts = Wait.allCases.map { wait in
            let seconds =
                switch wait {
                case .head: configuration.headTimeout
                case .body: configuration.bodyTimeout
                case .keepAlive: configuration.keepAliveTimeout
                case .halfClose: configuration.halfCloseGrace
                case .linger: configuration.lingerTimeout
                case .active: 0.0
                case .write: configuration.writeTimeout
                }
            return seconds > 0 ? seconds : .infinity
        }
        timer = TimerWatcher(loop) { [unowned self] in self.expire() }
    }

    isolated deinit { lists.deallocate() }

    func count(of wait: Wait) -> Int { lists[wait.rawValue].count }
    func first(of wait: Wait) -> Connection? { lists[wait.rawValue].first?.connection }

    /// Shortens or lengthens a wait for those who begin it from now on.
    func setTimeout(_ seconds: Double, for wait: Wait) { timeouts[wait.rawValue] = seconds }

    /// Moves a node to the end of a list, its time starting now.
    func begin(_ wait: Wait, _ node: WaitNode) {
        remove(node)
        let timeout = timeouts[wait.rawValue]
        node.deadline = timeout.isFinite ? EventLoop.coarseNow() + timeout : .infinity
        node.wait = wait
        node.previous = lists[wait.rawValue].last
        if let last = lists[wait.rawValue].last { last.next = node } else { lists[wait.rawValue].first = node }
        lists[wait.rawValue].last = node
        lists[wait.rawValue].count += 1
        if node.deadline < timerDue - Self.granularity { arm(for: node.deadline) }
    }

    func remove(_ node: WaitNode) {
        guard let wait = node.wait else { return }
        if let previous = node.previous { previous.next = node.next } else { lists[wait.rawValue].first = node.next }
        if let next = node.next { next.previous = node.previous } else { lists[wait.rawValue].last = node.previous }
        lists[wait.rawValue].count -= 1
        node.previous = nil
        node.next = nil
        node.wait = nil
    }

    /// Calls for every connection of a list as it is now; the call may remove the connection.
    func forEach(_ wait: Wait, _ body: (Connection) -> Void) {
        var connections: [Connection] = []
        connections.reserveCapacity(lists[wait.rawValue].count)
        var node = lists[wait.rawValue].first
        while let current = node {
            connections.append(current.connection)
            node = current.next
        }
        connections.forEach(body)
    }

    func stop() { timer?.stop() }

    private func arm(for deadline: Double) {
        timerDue = deadline
        timer?.start(after: max(deadline - EventLoop.coarseNow(), Self.granularity))
    }

    private func expire() {
        timerDue = .infinity
        let now = EventLoop.coarseNow()
        var earliest = Double.infinity
        for wait in Wait.allCases {
            while let node = lists[wait.rawValue].first, node.deadline <= now {
                let connection = node.connection
                remove(node)
                onExpiry(connection, wait)
            }
            if let deadline = lists[wait.rawValue].first?.deadline { earliest = min(earliest, deadline) }
        }
        if earliest.isFinite, earliest < timerDue { arm(for: earliest) }
    }
}

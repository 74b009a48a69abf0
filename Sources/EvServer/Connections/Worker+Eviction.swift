// Which connections a worker ends when it must: to make room for others, or because it leaves.

import EvLoop

extension Worker {
    /// Those that are open, and that nobody has begun to close.
    var webSockets: Int { deadlines.count(of: .ping) + deadlines.count(of: .pong) }

    /// Those and the held requests that no other worker takes over.
    var guests: Int { webSockets + (moves.isLeaving ? 0 : deadlines.count(of: .held)) }

    /// Sends so many of them to another worker, those first that have been silent or held longest.
    func sendAway(_ count: Int) {
        for _ in 0..<count {
            if !moves.isLeaving, let hold = deadlines.first(of: .held)?.hold {
                hold.workerLeaves()
                continue
            }
            guard let socket = deadlines.first(of: .pong) ?? deadlines.first(of: .ping) else { return }
            (socket as? WebSocketConnection)?.leave()
        }
    }

    var lingeringConnections: Int { deadlines.count(of: .linger) }

    /// Closes the connection that has had its answer longest. Whether there was one.
    func evictLingeringConnection() -> Bool {
        guard let connection = deadlines.first(of: .linger) as? Connection else { return false }
        connection.abort()
        return true
    }

    /// Closes the keep-alive connection that has been idle longest. Whether there was one.
    func evictIdleConnection() -> Bool {
        while let connection = deadlines.first(of: .keepAlive) as? Connection {
            if connection.closeIfStillIdle() { return true }
        }
        return false
    }
}

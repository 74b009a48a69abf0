// Requests that ask how the server is (`--health-path`). The loop answers them, whatever the app does, and they count
// for nothing: no request of the app's, no `--max-requests`, no place among `--connections`.

import EvLoop
import HTTPCore

struct HealthPaths: Sendable {
    private let paths: [[UInt8]]

    /// Nil for no paths, which is usual and costs a request nothing.
    init?(_ paths: [String]) {
        if paths.isEmpty { return nil }
        self.paths = paths.map { Array($0.utf8) }
    }

    func contains(_ head: RequestHead) -> Bool {
        head.withBytes(of: head.path) { path in paths.contains { path.elementsEqual($0) } }
    }
}

extension Exchange {
    /// Answers a request for the server's health, and one that has a spare place and asks for something else.
    ///
    /// - Returns: false for a request that is the app's.
    func answersWithoutApp(_ health: HealthPaths) -> Bool {
        guard health.contains(head) else {
            // A spare place is an ordinary one as soon as there is room.
            guard connection.isSpare, worker.isOverfull else {
                connection.isSpare = false
                return false
            }
            worker.noteRefusal(.full, status: 503)
            fail(status: 503)
            return true
        }
        Counted.add(at: Counter.healthChecks)
        let isLeaving = worker.isServerLeaving
        if head.isHead || head.matches(head.method, "GET") {
            respond(status: isLeaving ? 503 : 200, plainText: Array((isLeaving ? "leaving\n" : "ok\n").utf8))
        } else {
            fail(status: 405)
        }
        return true
    }
}

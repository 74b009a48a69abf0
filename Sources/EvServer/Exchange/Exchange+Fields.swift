// The fields of requests that last, of which there may be many thousand.

import EvLoop
import HTTPCore

extension Exchange {
    /// Keeps only the request line, where nobody will look at the fields. A request of an app keeps the whole head.
    package func forgetFields() {
        // A request that may be held may be made again, and one that has become a WebSocket is not held.
        guard worker.holds == nil || webSocket != nil, worker.accessLog == nil, forwarded.facts == nil,
            let line = head.withoutFields()
        else { return }
        if trustsPeer, head.firstValue(of: "X-Forwarded-For") != nil { return }
        ownHead = worker.tracing?.shortened(head, to: line) ?? line
    }
}

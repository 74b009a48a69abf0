// The fields of requests that last, of which there may be many thousand.

import EvLoop
import HTTPCore

extension Exchange {
    /// Keeps only the request line, where nobody will look at the fields. A request of an app keeps the whole head.
    package func forgetFields() {
        // A request that may be held may be made again.
        guard worker.accessLog == nil, worker.holds == nil, forwarded.facts == nil, let line = head.withoutFields()
        else {
            return
        }
        if trustsPeer, head.firstValue(of: "X-Forwarded-For") != nil { return }
        ownHead = worker.tracing?.shortened(head, to: line) ?? line
    }
}

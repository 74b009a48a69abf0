// What log lines say of a request, and its ids where the settings ask for them.

import EvLoop
import HTTPCore
package import Logging

extension Exchange {
    package var requestMetadata: Logger.Metadata {
        identifiers.merging(["method": "\(head.string(head.method))", "path": "\(head.string(head.path))"]) { $1 }
    }

    /// The ids alone; none without `--request-id`.
    var identifiers: Logger.Metadata { worker.tracing?.metadata(of: head) ?? [:] }

    /// Valid as long as the head; empty without `--request-id`.
    package var requestID: UnsafeRawBufferPointer {
        worker.tracing?.requestID(of: head) ?? UnsafeRawBufferPointer(start: nil, count: 0)
    }

    /// The head with ids that can be believed.
    var stamped: RequestHead {
        @inline(never) get { worker.tracing?.stamped(head, isTrusted: trustsPeer) ?? head }
    }

    /// Field lines of the server's own for a response. Valid until the next call.
    @inline(never) func ownLines(beside response: borrowing ResponseHead) -> UnsafeRawBufferPointer {
        let line = idLine(beside: response)
        guard let sticky = worker.sticky, sticky.addsLines else { return line }
        return sticky.lines(line, for: self)
    }

    /// The field line of the id for a response, which is empty where that has its own, and without `--request-id`.
    /// Valid until the next call.
    @inline(never) func idLine(beside response: borrowing ResponseHead) -> UnsafeRawBufferPointer {
        worker.tracing?.line(for: head, beside: response) ?? UnsafeRawBufferPointer(start: nil, count: 0)
    }
}

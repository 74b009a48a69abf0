// An answer of the server's own that says more than its status.

import EvLoop
import HTTPCore

extension Exchange {
    /// Answers with UTF-8 text that is never taken for markup, and never stored.
    package func respond(status: Int, plainText: [UInt8]) {
        let head = responseHead
        do throws(ResponseHeadError) {
            try head.pointee.begin(status: status)
            try head.pointee.append("Content-Type", "text/plain; charset=utf-8")
            try head.pointee.append("X-Content-Type-Options", "nosniff")
            try head.pointee.append("Cache-Control", "no-store")
            plainText.withUnsafeBytes { respond(head.pointee, body: $0) }
        } catch {
            fail()
        }
    }
}

// The server's own answers, where the app gives none.

import EvLoop
import HTTP1
import HTTPCore
import Logging

extension Worker {
    /// Prepares a plain-text error in `responseHead`, and returns its body: the words of the status, if no other.
    func prepareError(_ status: Int, _ explanation: StaticString? = nil) -> UnsafeRawBufferPointer {
        do throws(ResponseHeadError) {
            try responseHead.pointee.begin(status: status)
            try responseHead.pointee.append("Content-Type", "text/plain; charset=utf-8")
            // Of a server that stops: its successor, or another one, may answer soon.
            if status == 503, isDraining { try responseHead.pointee.append("Retry-After", "1") }
        } catch {
            logger.error("An error response cannot be made", metadata: ["error": "\(error)"])
        }
        errorBody.removeAll(keepingCapacity: true)
        if let explanation { errorBody.append(explanation) } else { errorBody.append(StatusPhrase.reason(for: status)) }
        errorBody.append("\n")
        return errorBody.withUnsafeBytes { $0 }
    }
}

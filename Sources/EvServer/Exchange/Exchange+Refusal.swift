// The answer to a request whose fields say what cannot be believed. No app is called for it.

import EvLoop
import HTTPCore
import Logging

extension Exchange {
    /// Answers what cannot be believed. The connection ends, as with every head that is refused.
    func refuse(_ reason: ForwardedRefusal) {
        let facts: Logger.Metadata = ["status": "400", "reason": "\(reason.rawValue)", "peer": "\(peer.host)"]
        worker.logger.debug("Refused a request", metadata: facts.merging(identifiers) { $1 })
        Counted.add(at: Counter.refusals + Refusal.forwarded.rawValue)
        let body = worker.prepareError(400)
        do throws(ResponseHeadError) {
            try responseHead.pointee.append("Connection", "close")
        } catch {
            worker.logger.error("An error response cannot be made", metadata: ["error": "\(error)"])
        }
        respond(worker.responseHead.pointee, body: body)
    }
}

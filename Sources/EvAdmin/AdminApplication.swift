// The app of the admin process: which path is answered by what. Everything is read from shared memory, or asked of the
// worker that knows it, so nothing here waits for the app that is served.

import EvLoop
package import EvServer
import EvSupervisor
import HTTPCore

package final class AdminApplication: Application {
    private let link: ServerLink
    private let settings: AdminSettings

    package init(_ link: ServerLink, _ settings: AdminSettings) {
        self.link = link
        self.settings = settings
    }

    /// What a path leads to.
    private typealias Answer = @LoopActor (_ exchange: Exchange) -> Void

    @LoopActor package func begin(_ exchange: Exchange) {
        exchange.appWasCalled()
        let head = exchange.head
        let path = head.string(head.path)
        guard let (method, answer) = route(path) else { return end(exchange, 404) }
        let asked = head.string(head.method)
        guard asked == method || (asked == "HEAD" && method == "GET") else { return end(exchange, 405) }
        answer(exchange)
    }

    @LoopActor private func route(_ path: String) -> (method: String, Answer)? {
        switch path {
        case "/healthz", "/livez": ("GET", { exchange in self.answer(exchange, Health.live) })
        case "/readyz": ("GET", { exchange in self.answer(exchange, Health.ready(self.link)) })
        case "/status": ("GET", { exchange in self.answerJSON(exchange, StatusReport(self.link, self.settings).json) })
        default: nil
        }
    }

    @LoopActor private func answer(_ exchange: Exchange, _ health: Health) {
        exchange.respond(status: health.isGood ? 200 : 503, plainText: Array((health.text + "\n").utf8))
        exchange.taskEnded()
    }

    @LoopActor private func answerJSON(_ exchange: Exchange, _ bytes: [UInt8]) {
        exchange.respond(bytes + [UInt8(ascii: "\n")], type: "application/json")
        exchange.taskEnded()
    }

    @LoopActor private func end(_ exchange: Exchange, _ status: Int) {
        exchange.fail(status: status)
        exchange.taskEnded()
    }
}

extension Exchange {
    /// Sends a whole answer of the admin process, which nobody stores.
    func respond(_ body: [UInt8], type: StaticString, status: Int = 200) {
        let head = responseHead
        do throws(ResponseHeadError) {
            try head.pointee.begin(status: status)
            try head.pointee.append("Content-Type", type)
            try head.pointee.append("X-Content-Type-Options", "nosniff")
            try head.pointee.append("Cache-Control", "no-store")
            body.withUnsafeBytes { respond(head.pointee, body: $0) }
        } catch {
            fail()
        }
    }
}

// The app of the admin process: which path is answered by what. Everything is read from shared memory, or asked of the
// worker that knows it, so nothing here waits for the app that is served.

package import EvLoop
package import EvServer
import EvSupervisor
import HTTPCore

package final class AdminApplication: Application {
    private let link: ServerLink
    private let settings: AdminSettings
    private let metrics: MetricsPage
    private let access: Access
    private let commands: Commands
    private let tables: ConnectionTables
    private let stacks: StackTables
    private let processes = ProcessTable()

    @LoopActor package init(_ link: ServerLink, _ settings: AdminSettings) {
        self.link = link
        self.settings = settings
        metrics = MetricsPage(link, settings, processes)
        access = Access(link.loop, token: settings.token, names: settings.names)
        commands = Commands(link)
        tables = ConnectionTables(link)
        stacks = StackTables(link)
    }

    /// What a path leads to.
    private typealias Answer = @LoopActor (_ exchange: Exchange) -> Void

    @LoopActor package func begin(_ exchange: Exchange) {
        exchange.appWasCalled()
        let head = exchange.head
        let path = head.string(head.path)
        guard access.admits(exchange, for: purpose(of: path)) else { return }
        guard let (method, answer) = route(path) else { return end(exchange, 404) }
        let asked = head.string(head.method)
        guard asked == method || (asked == "HEAD" && method == "GET") else {
            let allowed: StaticString = method == "GET" ? "GET, HEAD" : "POST"
            return exchange.refuse(405, "This is asked with \(method)", more: ("Allow", allowed))
        }
        answer(exchange)
    }

    private func purpose(of path: String) -> AdminPurpose {
        switch path {
        case "/healthz", "/livez", "/readyz": .health
        case _ where Commands.isCommand(path): .command
        default: .reading
        }
    }

    @LoopActor private func route(_ path: String) -> (method: String, Answer)? {
        switch path {
        case "/healthz", "/livez": ("GET", { exchange in self.answer(exchange, Health.live) })
        case "/readyz": ("GET", { exchange in self.answer(exchange, Health.ready(self.link)) })
        case "/metrics": ("GET", { exchange in self.metrics.answer(exchange) })
        case _ where Commands.isCommand(path): ("POST", { exchange in self.commands.answer(exchange, path) })
        case "/status": ("GET", { exchange in self.answerStatus(exchange) })
        case "/connections":
            ("GET", { exchange in self.answerByWorker(exchange) { await self.tables.json(ofWorker: $0) } })
        case "/stacks":
            ("GET", { exchange in self.answerByWorker(exchange) { await self.stacks.json(ofWorker: $0) } })
        default: page(path)
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

    @LoopActor private func page(_ path: String) -> (method: String, Answer)? {
        guard let file = Page.file(path) else { return nil }
        return ("GET", { exchange in self.answer(exchange, file) })
    }

    @LoopActor private func answer(_ exchange: Exchange, _ file: Page.File) {
        exchange.respond(file)
        exchange.taskEnded()
    }

    /// Of one worker, or of all.
    @LoopActor private func answerByWorker(
        _ exchange: Exchange, _ json: @escaping @LoopActor (_ worker: Int?) async -> [UInt8]
    ) {
        do throws(Query.Mistake) {
            let worker = try Query(exchange.head, allowing: ["worker"]).number("worker")
            answerLater(exchange) { await json(worker) }
        } catch {
            refuse(exchange, error)
        }
    }

    @LoopActor private func answerStatus(_ exchange: Exchange) {
        do throws(Query.Mistake) {
            _ = try Query(exchange.head)
            answerJSON(exchange, StatusReport(link, settings, processes).json)
        } catch {
            refuse(exchange, error)
        }
    }

    /// Answers with JSON that has to be asked for.
    @LoopActor private func answerLater(_ exchange: Exchange, _ make: @escaping @LoopActor () async -> [UInt8]) {
        exchange.attach(
            Task.immediate(executorPreference: LoopExecutor.shared) { @LoopActor in
                self.answerJSON(exchange, await make())
            })
    }

    @LoopActor private func refuse(_ exchange: Exchange, _ mistake: Query.Mistake) {
        exchange.respond(Array((mistake.text + "\n").utf8), type: "text/plain; charset=utf-8", status: 400)
        exchange.taskEnded()
    }

    @LoopActor private func end(_ exchange: Exchange, _ status: Int) {
        exchange.fail(status: status)
        exchange.taskEnded()
    }
}

extension Exchange {
    /// Sends a whole answer of the admin process, which nobody stores.
    func respond(
        _ body: [UInt8], type: StaticString, status: Int = 200, more: (name: StaticString, value: StaticString)? = nil
    ) {
        let head = responseHead
        do throws(ResponseHeadError) {
            try head.pointee.begin(status: status)
            try head.pointee.append("Content-Type", type)
            try head.pointee.append("X-Content-Type-Options", "nosniff")
            try head.pointee.append("Cache-Control", "no-store")
            if let more { try head.pointee.append(more.name, more.value) }
            body.withUnsafeBytes { respond(head.pointee, body: $0) }
        } catch {
            fail()
        }
    }

    /// Answers with a sentence that says what is wrong with the request, which ends then.
    func refuse(_ status: Int, _ sentence: String, more: (name: StaticString, value: StaticString)? = nil) {
        respond(Array((sentence + "\n").utf8), type: "text/plain; charset=utf-8", status: status, more: more)
        taskEnded()
    }
}

// The app of the admin process: which path is answered by what. Everything is read from shared memory, or asked of the
// worker that knows it, so nothing here waits for the app that is served.

import EvLoop
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

    private let publishing: PublishApplication
    /// The sockets where messages are published.
    private let publishDescriptors: [Int32]

    /// - Parameters:
    ///   - sockets: where messages are published.
    ///   - send: gives one to the bus.
    @LoopActor init(
        _ link: ServerLink, _ settings: AdminSettings, publishing sockets: [ListeningSocket],
        _ send: @escaping PublishApplication.Send
    ) {
        publishing = PublishApplication(link.loop, settings.publishing, send)
        publishDescriptors = sockets.map(\.fileDescriptor)
        self.link = link
        self.settings = settings
        metrics = MetricsPage(link, settings, processes)
        access = Access(link.loop, .admin, token: settings.token, names: settings.names)
        commands = Commands(link)
        tables = ConnectionTables(link)
        stacks = StackTables(link)
    }

    /// What a path leads to.
    private typealias Answer = @LoopActor (_ exchange: Exchange) -> Void

    @LoopActor package func begin(_ exchange: Exchange) {
        exchange.appWasCalled()
        if publishDescriptors.contains(exchange.localDescriptor) { return publishing.begin(exchange) }
        let head = exchange.head
        let path = head.string(head.path)
        guard access.admits(exchange, for: purpose(of: path)) else { return }
        guard let (method, answer) = route(path) else { return end(exchange, 404) }
        let asked = head.string(head.method)
        guard asked == method || (asked == "HEAD" && method == "GET") else {
            let allowed: StaticString = method == "GET" ? "GET, HEAD" : "POST"
            return exchange.answer(405, "This is asked with \(method)", more: ["Allow": allowed])
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
        exchange.answer(health.isGood ? 200 : 503, health.text)
    }

    @LoopActor private func answerJSON(_ exchange: Exchange, _ bytes: consuming [UInt8]) {
        bytes.append(UInt8(ascii: "\n"))
        exchange.answer(bytes, type: "application/json")
    }

    @LoopActor private func page(_ path: String) -> (method: String, Answer)? {
        guard let file = Page.file(path) else { return nil }
        return ("GET", { exchange in exchange.answer(file.bytes, type: file.type, more: Page.fields) })
    }

    /// Of one worker, or of all.
    @LoopActor private func answerByWorker(
        _ exchange: Exchange, _ json: @escaping @LoopActor (_ worker: Int?) async -> [UInt8]
    ) {
        do throws(Query.Mistake) {
            let worker = try Query(exchange.head, allowing: ["worker"]).number("worker")
            answerLater(exchange) { await json(worker) }
        } catch {
            exchange.answer(400, error.text)
        }
    }

    @LoopActor private func answerStatus(_ exchange: Exchange) {
        do throws(Query.Mistake) {
            _ = try Query(exchange.head)
            answerJSON(exchange, StatusReport(link, settings, processes).json)
        } catch {
            exchange.answer(400, error.text)
        }
    }

    /// Answers with JSON that has to be asked for.
    @LoopActor private func answerLater(_ exchange: Exchange, _ make: @escaping @LoopActor () async -> [UInt8]) {
        exchange.attach(
            Task.immediate(executorPreference: LoopExecutor.shared) { @LoopActor in
                self.answerJSON(exchange, await make())
            })
    }

    @LoopActor private func end(_ exchange: Exchange, _ status: Int) {
        exchange.fail(status: status)
        exchange.taskEnded()
    }
}

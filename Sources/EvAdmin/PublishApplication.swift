// What is answered where messages are published: POST /publish/ with items in JSON. Law: paths, answers and texts are
// Pushpin's, for publishers that were written against it; all items of a request are published, or none.

import EvLoop
import EvServer
import GRIP
import HTTPCore

@LoopActor
final class PublishApplication {
    /// Gives a message to the bus.
    typealias Send = @LoopActor (_ channel: [UInt8], _ payload: [UInt8]) -> Void

    private let access: Access
    private let send: Send

    init(_ loop: EventLoop, _ settings: PublishSettings, _ send: @escaping Send) {
        access = Access(
            loop, .publishing, token: settings.token,
            key: settings.key.flatMap { TokenKey($0, code: HMAC.sha256) }, names: settings.names)
        self.send = send
    }

    func begin(_ exchange: Exchange) {
        guard access.admits(exchange, for: .publishing) else { return }
        let head = exchange.head
        guard let form = Form(accepted: head.values(of: "Accept").map(head.string)) else {
            return exchange.answer(
                406, "Not Acceptable. Supported formats are text/plain and application/json.", type: Form.text.type)
        }
        var path = head.string(head.path)
        if path.count > 1, path.hasSuffix("/") { path.removeLast() }
        switch path {
        case "/": exchange.answer(200, "evgateway takes items in JSON with POST /publish/", type: Form.text.type)
        case "/publish":
            let method = head.string(head.method)
            guard method == "POST" else {
                return exchange.answer(
                    405, "Method not allowed: \(method).", type: Form.text.type, more: ["Allow": "POST"])
            }
            exchange.collectBody(spoolAbove: .max) { [self] result in publish(result, exchange, form) }
        default: exchange.answer(404, "Not Found", type: Form.text.type)
        }
    }

    private func publish(_ result: Result<CollectedBody, RequestBodyError>, _ exchange: Exchange, _ form: Form) {
        let body: [UInt8]
        switch result {
        case .success(.empty): body = []
        case .success(.bytes(let bytes)): body = bytes.array
        case .success(.lent(let bytes)): body = Array(bytes)
        case .success(let spooled):
            // Nothing is spooled below a bound that no body has.
            spooled.discard()
            exchange.fail()
            return exchange.taskEnded()
        case .failure(let error):
            exchange.fail(status: error.statusHint)
            return exchange.taskEnded()
        }
        do throws(GRIPError) {
            var packed: [(channel: [UInt8], payload: [UInt8])] = []
            for item in try Item.list(body) { packed.append(try item.packed()) }
            for (channel, payload) in packed { send(channel, payload) }
            exchange.answer(Array(form.published.utf8), type: form.type)
        } catch {
            exchange.answer(400, error.text, type: Form.text.type)
        }
    }
}

/// What the answer is written in.
private enum Form {
    case text, json

    /// The last of the types that is one of these; text where the client says nothing. Nil where it wants another.
    init?(accepted values: [String]) {
        guard !values.isEmpty else {
            self = .text
            return
        }
        var form: Form?
        for type in values.joined(separator: ",").split(separator: ",") {
            switch type.prefix(while: { $0 != ";" }).filter({ $0 != " " && $0 != "\t" }) {
            case "text/plain", "text/*", "*/*", "*": form = .text
            case "application/json", "application/*": form = .json
            default: break
            }
        }
        guard let form else { return nil }
        self = form
    }

    var type: StaticString { self == .text ? "text/plain" : "application/json" }
    var published: String { self == .text ? "Published\n" : "{\"message\":\"Published\"}\n" }
}

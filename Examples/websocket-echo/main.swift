// WebSockets for clients and benchmarks: /echo sends each message back, /echo-task does the same in a task, /idle takes
// what comes, and a message to /broadcast goes to all that are connected there, to /channel also to those of other
// workers, which needs --grip.
// Try: websocat ws://localhost:8000/echo
import EvGateway

let everybody = WebSocketGroup()

Gateway.main { request in
    switch request.path {
    case "/echo": Response(webSocket: request, onMessage: { socket, message in _ = socket.sendNow(message) })
    case "/echo-task":
        Response(webSocket: request) { socket in
            for try await message in socket { try await socket.send(message) }
        }
    case "/idle": Response(webSocket: request, onMessage: { _, _ in })
    case "/broadcast":
        Response(
            webSocket: request, onOpen: { everybody.insert($0) }, onMessage: { _, message in everybody.send(message) })
    case "/channel":
        Response(
            webSocket: request,
            onOpen: { if (try? $0.subscribe(to: "everybody")) == nil { $0.close(code: .internalError) } },
            onMessage: { socket, message in
                if case .text(let text) = message { try Gateway.publish(text, to: "everybody") } else { socket.close() }
            })
    case "/count": Response("\(everybody.count)\n")
    default: Response(status: .notFound)
    }
}

// WebSockets for clients and benchmarks: /echo sends each message back, /echo-task does the same in a task, /idle takes
// what comes, and a message to /broadcast goes to all that are connected there.
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
    case "/count": Response("\(everybody.count)\n")
    default: Response(status: .notFound)
    }
}

// Long polling: POST /messages publishes, GET /messages?since=ID waits up to 30 s for what comes after ID.
// Try: curl localhost:8000/messages?since=0 & curl localhost:8000/messages -d 'hello'
import EvGateway

let chat = Chat()

Gateway.main { request in
    switch (request.method, request.path) {
    case (.post, "/messages"): try await chat.publish(request)
    case (.get, "/messages"): await chat.wait(request)
    case (.get, "/waiting"): Response("\(await chat.waiting)")
    case (_, "/messages"): Response(status: .methodNotAllowed, headerFields: [.allow: "GET, POST"])
    default: Response(status: .notFound)
    }
}

// A chat room over WebSockets: GET / is its page, and /chat is where the page connects to.
// Try: open http://localhost:8000/ in two windows
import EvGateway

let room = Room()

Gateway.main { request in
    switch (request.method, request.path) {
    case (.get, "/chat"): Response(webSocket: request) { socket in try await room.serve(socket) }
    case (.get, "/"):
        Response(headerFields: [.contentType: "text/html; charset=utf-8"], body: .staticString(page))
    default: Response(status: .notFound)
    }
}

// Long polling, the Swift twin of app.py: one chat room, kept by a file when CHAT_FILE is set, else by this process.
// Try: .build/release/example-longpoll, and open http://127.0.0.1:8000/ in two windows.
import EvGateway
import FoundationEssentials

Gateway.main(preparing: {
    let settings = try Settings(
        arguments: Gateway.arguments, environment: ProcessInfo.processInfo.environment)
    let page = try readPage(settings.page)
    let chat = try await Chat.open(settings)
    return { request in
        switch (request.method, request.path) {
        case (.get, "/messages"): chat.answer(request)
        case (.post, "/messages"): try await chat.post(request)
        case (.get, "/health"): Response("ok")
        case (.get, "/"), (.head, "/"):
            Response(headerFields: [.contentType: "text/html; charset=utf-8"], body: .bytes(page))
        case (_, "/messages"): Response(status: .methodNotAllowed, headerFields: [.allow: "GET, POST"])
        case (_, "/"), (_, "/health"): Response(status: .methodNotAllowed, headerFields: [.allow: "GET"])
        default: Response(status: .notFound)
        }
    }
})

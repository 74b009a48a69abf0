// Long polling: POST /messages publishes, GET /messages?since=ID waits up to 30 s for what comes after ID.
// Try: curl localhost:8000/messages?since=0 & curl localhost:8000/messages -d 'hello'
import EvGateway

let chat = Chat()
let json: HTTPFields = [.contentType: "application/json"]

Gateway.main { request in
    switch (request.method, request.path) {
    case (.post, "/messages"):
        let bytes = try await request.body.collect(upTo: 65_536)
        let id = await chat.publish(String(decoding: bytes, as: UTF8.self))
        return Response(status: .created, headerFields: json, body: .string("{\"id\": \(id)}"))

    case (.get, "/messages"):
        let query = Query(request.query)
        guard let since = Int(query["since"] ?? "0"), let seconds = Double(query["wait"] ?? "30"),
            (0...30).contains(seconds)
        else { return Response(status: .badRequest) }
        let messages = try await chat.messages(after: since, waiting: .seconds(seconds))
        guard !messages.isEmpty else { return Response(status: .noContent) }
        return Response(headerFields: json, body: .string("[\(messages.map(\.json).joined(separator: ", "))]"))

    case (.get, "/waiting"):
        return Response("\(await chat.waiting)")

    case (_, "/messages"):
        return Response(status: .methodNotAllowed, headerFields: [.allow: "GET, POST"])

    default:
        return Response(status: .notFound)
    }
}

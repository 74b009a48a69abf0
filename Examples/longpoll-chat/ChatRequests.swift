// The HTTP requests of the chat, and its JSON.
import EvGateway

extension Chat {
    func publish(_ request: Request) async throws -> Response {
        let bytes = try await request.body.collect(upTo: 65_536)
        return .json("{\"id\": \(publish(String(decoding: bytes, as: UTF8.self)))}", status: .created)
    }

    func wait(_ request: Request) -> Response {
        guard let (since, limit) = Self.parameters(request) else { return Response(status: .badRequest) }
        let messages = messages(after: since)
        guard messages.isEmpty else { return Self.answer(messages) }
        // The request is parked: while it waits it costs its connection and a small record, and no task.
        return Response(waitingFor: news, atMost: limit) { _ in Self.answer(await self.messages(after: since)) }
    }

    private nonisolated static func answer(_ messages: [Message]) -> Response {
        guard !messages.isEmpty else { return Response(status: .noContent) }
        return .json("[\(messages.map(\.json).joined(separator: ", "))]")
    }

    private static func parameters(_ request: Request) -> (since: Int, limit: Duration)? {
        let query = Query(request.query)
        guard let since = Int(query["since"] ?? "0"), let seconds = Double(query["wait"] ?? "30"),
            (0...30).contains(seconds)
        else { return nil }
        return (since, .seconds(seconds))
    }
}

extension Response {
    fileprivate static func json(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
        Response(status: status, headerFields: [.contentType: "application/json"], body: .string(text))
    }
}

extension Chat.Message {
    var json: String { "{\"id\": \(id), \"text\": \"\(text.jsonEscaped)\"}" }
}

extension String {
    /// RFC 8259, section 7.
    fileprivate var jsonEscaped: String {
        var escaped = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\"", "\\":
                escaped += "\\\(scalar)"
            case "\n":
                escaped += "\\n"
            case "\u{0}"..<"\u{20}":
                let digits = String(scalar.value, radix: 16)
                escaped += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default:
                escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}

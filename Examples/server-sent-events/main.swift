// Server-sent events: GET /events counts, one event per second, until the client leaves.
// Try: curl -N localhost:8000/events
import EvGateway

Gateway.main { request in
    guard request.path == "/events" else { return Response(status: .notFound) }

    // A browser that reconnects sends the id of the last event that it got.
    let lastSeen = HTTPField.Name("Last-Event-ID").flatMap { request[$0] }.flatMap { Int($0) } ?? 0
    let interval = request.query.flatMap { $0.hasPrefix("interval=") ? Double($0.dropFirst(9)) : nil } ?? 1
    guard (0.01...60).contains(interval) else { return Response(status: .badRequest) }

    return Response(headerFields: [.contentType: "text/event-stream", .cacheControl: "no-cache"]) { writer in
        // The loop needs no test for its end: write and sleep throw when the client has left.
        var number = lastSeen
        while true {
            number &+= 1
            try await writer.write("id: \(number)\ndata: event \(number)\n\n")
            try await Task.sleep(for: .seconds(interval), clock: .loop)
        }
    }
}

// Server-sent events: GET /events counts, one event per second, until the client leaves, or the worker.
// Try: curl -N localhost:8000/events
import EvGateway

Gateway.main(preparing: {
    let leaving = LoopCondition()
    await Gateway.onLeave { leaving.notifyAll() }

    return { request in
        guard request.path == "/events" else { return Response(status: .notFound) }

        // A browser that reconnects sends the id of the last event that it got.
        let lastSeen = HTTPField.Name("Last-Event-ID").flatMap { request[$0] }.flatMap { Int($0) } ?? 0
        let interval = request.query.flatMap { $0.hasPrefix("interval=") ? Double($0.dropFirst(9)) : nil } ?? 1
        guard (0.01...60).contains(interval) else { return Response(status: .badRequest) }

        return Response(headerFields: [.contentType: "text/event-stream", .cacheControl: "no-cache"]) { writer in
            // The loop needs no test for the client's end: write and wait throw when it has left. When the worker is to
            // leave, the stream ends; the browser connects again, and another worker goes on.
            var number = lastSeen
            repeat {
                number &+= 1
                try await writer.write("id: \(number)\ndata: event \(number)\n\n")
            } while try await !leaving.wait(atMost: .seconds(interval))
        }
    }
})

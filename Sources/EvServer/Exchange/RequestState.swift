// Where a request is, and what that is called: in one word where programs read it, in a few where people do.

package enum RequestState: UInt8, Sendable {
    /// Of a connection: nothing of a request has come.
    case idle
    /// The head, or a body that somebody waits for, comes.
    case reading
    /// The app has not been called yet.
    case queued
    case app
    /// The client is slow to take what was written.
    case writing
    /// Of a Swift app: no task runs for it.
    case parked
    case websocket
    /// Of a connection: no other request follows.
    case closing
    case answered, clientLeft
    /// By GRIP: nothing of the app runs for it.
    case held

    package var name: StaticString {
        switch self {
        case .idle: "idle"
        case .reading: "reading"
        case .queued: "queued"
        case .app: "app"
        case .writing: "writing"
        case .parked: "parked"
        case .websocket: "websocket"
        case .closing: "closing"
        case .answered: "answered"
        case .clientLeft: "client_left"
        case .held: "held"
        }
    }

    package var phrase: StaticString {
        switch self {
        case .idle: "idle"
        case .reading: "reading its body"
        case .queued: "waiting for its turn"
        case .app: "in the app"
        case .writing: "writing to a slow client"
        case .parked: "parked"
        case .websocket: "a WebSocket"
        case .closing: "closing"
        case .answered: "answered, and the app goes on"
        case .clientLeft: "its client has left, and the app goes on"
        case .held: "held for a message"
        }
    }
}

// The response that makes a WebSocket of its request, and how an exchange gives it.

import EvLoop
import EvServer
import HTTPCore
public import HTTPTypes
import Logging

/// Talks over a ``WebSocket``. When it returns, the socket is closed with 1000; an error that it throws is logged and
/// closes with 1011.
public typealias WebSocketHandler = nonisolated(nonsending) @Sendable (WebSocket) async throws -> Void

/// Takes a message of a ``WebSocket`` on the loop. An error that it throws is logged and closes the socket with 1011.
public typealias WebSocketReaction = @LoopActor @Sendable (WebSocket, WebSocketMessage) throws -> Void

/// Is told on the loop that a ``WebSocket`` begins or has ended.
public typealias WebSocketNotice = @LoopActor @Sendable (WebSocket) -> Void

extension Response {
    /// Makes a WebSocket of the request. A request that asks for none is answered with 426.
    ///
    /// - Parameters:
    ///   - request: the one that is answered.
    ///   - subprotocol: one of ``Request/webSocketSubprotocols``, or nil for none.
    ///   - headerFields: of the app's own. Those of the handshake are the server's.
    ///   - run: has the socket for as long as it runs. Its task is cancelled when the client is lost, or, where it has
    ///     never read from the socket, when the client closes it.
    public init(
        webSocket request: Request, subprotocol: String? = nil, headerFields: HTTPFields = [:],
        _ run: @escaping WebSocketHandler
    ) {
        self.init(request, subprotocol, headerFields, .task(run))
    }

    /// The same without a task: an idle socket holds its connection and a small record, and a message costs a call.
    /// This is the one for many thousands of sockets.
    ///
    /// - Parameters:
    ///   - request: the one that is answered.
    ///   - subprotocol: one of ``Request/webSocketSubprotocols``, or nil for none.
    ///   - headerFields: of the app's own. Those of the handshake are the server's.
    ///   - onOpen: called first.
    ///   - onMessage: called with each message. It is not called while the client takes no answers (see
    ///     ``WebSocket/sendNow(_:)-(WebSocketMessage)``), nor after the app has closed the socket.
    ///   - onClose: called last, however the socket has ended; ``WebSocket/closeCode`` tells.
    public init(
        webSocket request: Request, subprotocol: String? = nil, headerFields: HTTPFields = [:],
        onOpen: WebSocketNotice? = nil, onMessage: @escaping WebSocketReaction, onClose: WebSocketNotice? = nil
    ) {
        self.init(request, subprotocol, headerFields, .loop(SocketReactions(onOpen, onMessage, onClose)))
    }

    private init(
        _ request: Request, _ subprotocol: String?, _ headerFields: HTTPFields, _ reader: WebSocketUpgrade.Reader
    ) {
        guard request.asksForWebSocket else {
            let fields: HTTPFields = [
                .upgrade: "websocket", .connection: "upgrade", .secWebSocketVersion: "13",
                .contentType: "text/plain; charset=utf-8",
            ]
            self.init(status: .upgradeRequired, headerFields: fields, body: .string("This is a WebSocket.\n"))
            return
        }
        // The head is built with this status, as that of any response, and is sent with 101.
        self.init(
            status: .ok, headerFields: headerFields,
            body: ResponseBody(.webSocket(WebSocketUpgrade(subprotocol: subprotocol, reader: reader))))
    }
}

extension Request {
    /// The client asks for a WebSocket, and ``Response/init(webSocket:subprotocol:headerFields:_:)`` can give it one.
    public var asksForWebSocket: Bool { offer != nil }

    /// The subprotocols that the client of a WebSocket speaks; those that it prefers come first.
    public var webSocketSubprotocols: [String] { offer?.subprotocols ?? [] }
}

/// What becomes of a socket.
final class WebSocketUpgrade: Sendable {
    enum Reader: Sendable {
        case task(WebSocketHandler)
        case loop(SocketReactions)
    }
    let subprotocol: String?
    let reader: Reader

    init(subprotocol: String?, reader: Reader) {
        self.subprotocol = subprotocol
        self.reader = reader
    }
}

/// An app's calls for one socket.
@LoopActor
final class SocketReactions: WebSocketReceiver {
    private let onOpen: WebSocketNotice?
    private let onMessage: WebSocketReaction
    private let onClose: WebSocketNotice?
    private var exchange: Exchange?

    nonisolated init(_ onOpen: WebSocketNotice?, _ onMessage: @escaping WebSocketReaction, _ onClose: WebSocketNotice?)
    {
        self.onOpen = onOpen
        self.onMessage = onMessage
        self.onClose = onClose
    }

    func begin(_ exchange: Exchange, _ socket: WebSocketConnection) {
        self.exchange = exchange
        onOpen?(WebSocket(connection: socket))
        socket.receive(self)
    }

    func received(_ message: WebSocketConnection.Message, on socket: WebSocketConnection) {
        do {
            try onMessage(WebSocket(connection: socket), WebSocketMessage(message))
        } catch {
            exchange?.failed(error)
            socket.forgetMessages()
        }
    }

    func ended(_ socket: WebSocketConnection) {
        onClose?(WebSocket(connection: socket))
        exchange?.taskEnded()
        exchange = nil
    }
}

extension Exchange {
    /// Answers 101. What is returned is to run in a task; nil for a socket that needs none.
    func accept(_ upgrade: WebSocketUpgrade, _ response: Response) throws(ResponseHeadError) -> ResponseStream? {
        if let subprotocol = upgrade.subprotocol, offer?.subprotocols.contains(subprotocol) != true {
            refuse("the client does not speak the subprotocol")
            taskEnded()
            return nil
        }
        try build(response)
        guard let socket = acceptWebSocket(subprotocol: upgrade.subprotocol, responseHead.pointee) else {
            taskEnded()
            return nil
        }
        switch upgrade.reader {
        case .task(let run):
            return { _ in try await run(WebSocket(connection: socket)) }
        case .loop(let reactions):
            park()
            reactions.begin(self, socket)
            return nil
        }
    }
}

package import EvLoop
package import GatewayProtocols
package import HTTP1
package import HTTP2

/// What a worker allows and how long it waits. Times are seconds; 0 turns a limit in time off.
package struct ServerConfiguration: Sendable {
    /// Open connections at once.
    package var connections = 1000
    /// Paths that the loop answers itself, with how the server is.
    package var healthPaths: [String] = []
    /// Bounds on the request line, the header fields and the framing of chunked bodies.
    package var limits = HTTPLimits()
    /// The largest request body in bytes; nil for no bound.
    package var bodyLimit: UInt64?

    /// From the first byte of a head, or from accept, to its end.
    package var headTimeout = 15.0
    /// The window in which a body that somebody waits for must make progress.
    package var bodyTimeout = 15.0
    /// From accept to the end of a TLS handshake.
    package var handshakeTimeout = 10.0
    /// Bytes per second that a body must make over each window.
    package var bodyMinimumRate = 500.0
    /// How long an idle keep-alive connection stays open; 0 closes each connection after its first answer.
    package var keepAliveTimeout = 75.0
    /// How long a peer may take not a single byte of what waits for it.
    package var writeTimeout = 60.0
    /// From the end of a request's head to the end of its response, unless the app moves the deadline.
    package var requestTimeout = 0.0
    /// How long a request outlives the client's FIN.
    package var halfCloseGrace = 0.5
    /// How long a closing connection swallows what the client still sends, so that it can read the answer.
    package var lingerTimeout = 2.0
    /// How long idle keep-alive connections may still send a request to a worker that is leaving.
    package var drainIdleGrace = 1.0
    /// Over how long a time a worker that leaves sends its WebSockets away.
    package var drainWindow = 10.0

    /// Whom to believe in what is said of clients.
    package var forwarding = ForwardingConfiguration()

    /// Nil: requests get no ids.
    package var tracing: TracingConfiguration?

    /// Nil: every worker serves every request.
    package var sticky: StickyConfiguration?
    /// Idle and held connections move to workers that have fewer.
    package var rebalances = false

    /// Requests after which the worker retires, 0 for never, and the random extra on top.
    package var maxRequests = 0
    package var maxRequestsJitter = 0

    /// `ScoreboardSlot.load` is measured.
    package var measuresLoad = false

    /// The value of the `Server` field; nil sends none.
    package var serverHeader: String? = "evgateway"
    /// Where large request bodies are spooled.
    package var spool = SpoolConfiguration()
    /// Bytes of output that wait for a slow reader before the app is suspended.
    package var highWaterMark = 65_536
    /// Bytes of a response that wait for a slow reader in a file, where `Exchange.spoolsOutput` says so; 0 for none.
    package var spoolLimit = 256 << 20
    /// Bytes of a request body that wait for the app, and of later requests that wait for their turn.
    package var inputBuffer = 65_536
    /// Bytes of an unread body, and of its chunks' framing, that are swallowed to keep a connection alive.
    package var drainLimit = 65_536

    /// The versions of the PROXY header that a connection may begin with; none: it begins with a request.
    package var proxyVersions: ProxyHeader.Versions = []
    /// Who may send one.
    package var proxySenders = AddressSet()
    /// What is spoken on the addresses that do not speak HTTP, by the text of the address.
    package var gatewayProtocols: [String: GatewayProtocol] = [:]
    /// Who may speak it.
    package var gatewaySenders = AddressSet()
    /// The addresses where HTTP is spoken over TLS, by their text, and what that is spoken with.
    package var secureAddresses: Set<String> = []
    package var tls: TLSServer?
    package var webSocket = WebSocketConfiguration()
    /// Nil: apps cannot have their requests held by GRIP.
    package var grip: GripConfiguration?
    package var http2 = HTTP2Configuration()

    package init() {}

    /// Of the variables of a request, as for the lines of a head.
    var variableLimits: GatewayVariables.Limits {
        // Beside fields there are some thirty variables of the server's own.
        GatewayVariables.Limits(bytes: 65_535, count: limits.fieldCount + 64)
    }
}

/// What HTTP/2 may ask for.
package struct HTTP2Configuration: Sendable {
    /// It is spoken without TLS too, where a trusted peer begins with it.
    package var allowsCleartext = false
    package var settings = HTTP2Settings()

    package init() {}
}

/// What a WebSocket may be sent, and how it is found out that its peer is gone.
package struct WebSocketConfiguration: Sendable {
    /// Where false, a request for one is an ordinary request.
    package var isServed = true
    /// Bytes of a message.
    package var maxSize = 16_777_216
    /// Messages that wait for the app before the socket is read no further.
    package var maxQueue = 32
    /// Seconds without a byte after which a ping is sent; 0 for never.
    package var pingInterval = 20.0
    /// Seconds in which the peer must answer it; 0 for any.
    package var pingTimeout = 20.0
    /// permessage-deflate is agreed upon where the client offers it, and so are contexts that are kept.
    package var isCompressed = true
    package var keepsContext = false

    package init() {}
}

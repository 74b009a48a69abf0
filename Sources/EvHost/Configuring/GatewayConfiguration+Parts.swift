// The one place where the gateway's configuration is converted into the worker's and the master's.

import EvLoop
import EvServer
import EvSettings
import EvSupervisor
import Logging

extension GatewayConfiguration {
    /// - Parameters:
    ///   - spool: where large request bodies go.
    ///   - tls: nil where it is not spoken.
    ///   - owners: of the keys of `--sticky`.
    func server(
        spool: SpoolConfiguration, tls: TLSServer? = nil, owners: OwnerTable? = nil
    ) -> ServerConfiguration {
        var server = ServerConfiguration()
        server.connections = connections
        server.limitHead(
            requestLine: requestLineLimit, fieldCount: requestFieldsLimit, fieldSize: requestFieldSizeLimit)
        server.bodyLimit = requestBodyLimit == 0 ? nil : UInt64(requestBodyLimit)
        server.headTimeout = headerTimeout
        server.bodyTimeout = bodyTimeout
        server.bodyMinimumRate = Double(bodyMinimumRate)
        server.keepAliveTimeout = keepAliveTimeout
        server.writeTimeout = writeTimeout
        server.halfCloseGrace = halfCloseGrace
        server.requestTimeout = requestTimeout
        server.maxRequests = maxRequests
        server.maxRequestsJitter = maxRequestsJitter
        server.measuresLoad = maxWorkers > 0
        server.serverHeader = sendsServerHeader ? "evgateway" : nil
        server.spool = spool
        server.spoolLimit = spoolLimit
        server.drainWindow = drainWindow
        server.healthPaths = healthPaths
        server.webSocket.isServed = webSocket != .none
        server.webSocket.maxSize = webSocketMaxSize
        server.webSocket.maxQueue = webSocketMaxQueue
        server.webSocket.pingInterval = webSocketPingInterval
        server.webSocket.pingTimeout = webSocketPingTimeout
        server.webSocket.isCompressed = webSocketIsCompressed
        server.webSocket.keepsContext = webSocketKeepsContext
        if grip { server.grip = GripConfiguration(issuer: gripIssuer, key: gripKey) }
        server.http2.allowsCleartext = http2Cleartext != .off
        server.http2.limit(
            streams: http2MaxConcurrentStreams, window: http2InitialWindowSize,
            connectionWindow: http2ConnectionWindowSize, frame: http2MaxFrameSize, headerList: http2MaxHeaderListSize,
            webSockets: webSocket != .none)
        server.forwarding = forwarding
        server.tracing = tracing
        server.acceptProxyHeaders(
            v1: [.v1, .auto].contains(proxyProtocol), v2: [.v2, .auto].contains(proxyProtocol), from: proxySenders)
        server.gatewayProtocols = gatewayProtocols.compactMapValues { GatewayProtocol(rawValue: $0.rawValue) }
        server.gatewaySenders = gatewaySenders
        server.tls = tls
        server.handshakeTimeout = handshakeTimeout
        server.rebalances = rebalances
        if let sticky, let owners { server.sticky = StickyConfiguration(sticky.rule, owners: owners) }
        if tls != nil { server.secureAddresses = Set(secureAddresses.map(\.text)) }
        return server
    }

    /// A list of fields asks for what they say; else the worker class decides, which is uvicorn's or gunicorn's.
    private var forwarding: ForwardingConfiguration {
        var forwarding = ForwardingConfiguration()
        let headers = trustedProxyHeaders ?? [.client, .scheme]
        if proxyHeaders != false {
            forwarding.namesClient = proxyHeaders ?? (trustedProxyHeaders != nil || isUvicornWorker)
            let usual = headers.contains(.scheme) ? Self.usualSchemeHeaders : []
            forwarding.secureSchemes = (secureSchemeHeaders ?? usual).map { ($0.name, $0.value) }
            forwarding.fields = TrustedFields(headers.map(\.field))
            if !forwarding.namesClient { forwarding.fields = .client }
        }
        forwarding.trusted = forwardedAllowIPs
        forwarding.hops = trustedProxyCount
        // Swift apps and other wires have a name for each name.
        if workerClass != .swift {
            forwarding.forwarderNames = forwarderHeaders.map { $0.uppercased() }
            forwarding.underscores = headerMap.underscores
        }
        return forwarding
    }

    private var tracing: TracingConfiguration? {
        guard requestID ?? (requestIDHeader != nil) else { return nil }
        var tracing = TracingConfiguration()
        if let requestIDHeader { tracing.name = requestIDHeader }
        tracing.newTraces =
            switch newTraces {
            case .sampled: .sampled
            case .unsampled: .unsampled
            case .none: .none
            }
        return tracing
    }

    /// The folders that the environment names, or the one that the operator does.
    func spool(environment: EnvironmentLookup) -> SpoolConfiguration {
        var spool = SpoolConfiguration(environment: environment)
        if let temporaryFolder { spool.folders = [temporaryFolder] }
        return spool
    }

    private var listening: ListeningOptions {
        var options = ListeningOptions()
        options.fileMode = fileModeOfSockets
        options.fileOwner = socketFileOwner
        options.tcp.keepAlive = tcpKeepAlive
        options.tcp.userTimeout = tcpUserTimeout
        options.tcp.deferAccept = deferAccept
        return options
    }

    /// Of Unix sockets. Not the umask of the shell decides, which would keep every proxy out that is not of this user.
    var fileModeOfSockets: Int { socketMode ?? 0o777 & ~(umask ?? 0) }

    /// A stream that is open does not hold up `--reload`, nor Ctrl-C.
    private static let graceOfReload = 1.0

    var supervisor: SupervisorConfiguration {
        var supervisor = SupervisorConfiguration(
            workers: workers, binds: binds, backlog: Int32(clamping: backlog), reusePort: reusePort, timeout: timeout,
            gracefulTimeout: reload ? min(gracefulTimeout, Self.graceOfReload) : gracefulTimeout,
            shutdownDelay: shutdownDelay, mostWorkers: maxWorkers, idleTimeout: workerIdleTimeout, pidFile: pidFile,
            listening: listening, toleratesThreads: preload)
        supervisor.protocols = gatewayProtocols.mapValues(\.rawValue)
        supervisor.slowRequest = slowRequest
        supervisor.adminBinds = adminBinds
        supervisor.publishBinds = publishBinds
        supervisor.connectsServers = bus != nil
        // Whoever may connect may stop the server.
        supervisor.adminListening.fileMode = 0o600
        supervisor.adminListening.fileOwner = socketFileOwner
        return supervisor
    }
}

extension StickyChoice {
    fileprivate var rule: StickyRule {
        switch self {
        case .address: .address
        case .cookie(nil): .ownCookie
        case .cookie(let name?): .cookie(name)
        case .query(let name): .query(name)
        case .header(let name): .header(name)
        }
    }
}

extension ProxyHeader {
    fileprivate var field: TrustedFields {
        switch self {
        case .client: .client
        case .scheme: []
        case .host: .host
        case .port: .port
        case .prefix: .prefix
        case .forwarded: .forwarded
        }
    }
}

extension HeaderMap {
    fileprivate var underscores: ForwardingConfiguration.Underscores {
        switch self {
        case .drop: .dropped
        case .refuse: .refused
        case .dangerous: .kept
        }
    }
}

extension LogLevel {
    var level: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        case .critical: .critical
        }
    }
}

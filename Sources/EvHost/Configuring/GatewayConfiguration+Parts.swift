// The one place where the gateway's configuration is converted into the worker's and the master's.

import EvLoop
import EvServer
import EvSettings
import EvSupervisor
import Logging

extension GatewayConfiguration {
    /// - Parameter spool: where large request bodies go.
    func server(spool: SpoolConfiguration) -> ServerConfiguration {
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
        server.acceptProxyHeaders(
            v1: [.v1, .auto].contains(proxyProtocol), v2: [.v2, .auto].contains(proxyProtocol), from: proxySenders)
        return server
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
        SupervisorConfiguration(
            workers: workers, binds: binds, backlog: Int32(clamping: backlog), reusePort: reusePort, timeout: timeout,
            gracefulTimeout: reload ? min(gracefulTimeout, Self.graceOfReload) : gracefulTimeout,
            shutdownDelay: shutdownDelay, mostWorkers: maxWorkers, idleTimeout: workerIdleTimeout, pidFile: pidFile,
            listening: listening, toleratesThreads: preload)
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

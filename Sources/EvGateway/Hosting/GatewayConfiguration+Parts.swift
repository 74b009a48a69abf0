// The one place where the gateway's configuration is converted into the worker's and the master's.

import EvServer
import EvSupervisor

extension GatewayConfiguration {
    var server: ServerConfiguration {
        var server = ServerConfiguration()
        server.connections = connections
        server.limitHead(
            requestLine: requestLineLimit, fieldCount: requestFieldsLimit, fieldSize: requestFieldSizeLimit)
        server.bodyLimit = requestBodyLimit
        server.headTimeout = headerTimeout
        server.bodyTimeout = bodyTimeout
        server.bodyMinimumRate = Double(bodyMinimumRate)
        server.keepAliveTimeout = keepAliveTimeout
        server.writeTimeout = writeTimeout
        server.halfCloseGrace = halfCloseGrace
        server.requestTimeout = requestTimeout
        server.maxRequests = maxRequests
        server.maxRequestsJitter = maxRequestsJitter
        server.serverHeader = sendsServerHeader ? "evgateway" : nil
        server.spool = spool
        server.spoolLimit = spoolLimit
        return server
    }

    var supervisor: SupervisorConfiguration {
        SupervisorConfiguration(
            workers: workers, binds: binds, backlog: backlog, reusePort: reusePort, timeout: timeout,
            gracefulTimeout: gracefulTimeout, pidFile: pidFile, toleratesThreads: preload)
    }
}

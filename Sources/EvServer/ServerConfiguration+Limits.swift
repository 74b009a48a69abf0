package import EvLoop
import GatewayProtocols
import HTTP1
import HTTP2

extension HTTP2Configuration {
    /// Sets what operators may choose: streams at once, and bytes; see `HTTP2Settings`.
    ///
    /// - Parameter webSockets: a stream may become one.
    package mutating func limit(
        streams: Int, window: Int, connectionWindow: Int, frame: Int, headerList: Int, webSockets: Bool
    ) {
        settings.maxConcurrentStreams = streams
        settings.initialWindowSize = window
        settings.connectionWindowSize = connectionWindow
        settings.maxFrameSize = frame
        settings.maxHeaderListSize = headerList
        settings.allowsConnectProtocol = webSockets
    }
}

extension ServerConfiguration {
    /// Sets the limits on a head that operators may choose, in bytes and fields; see `HTTPLimits`.
    package mutating func limitHead(requestLine: Int, fieldCount: Int, fieldSize: Int) {
        limits.requestLine = requestLine
        limits.fieldCount = fieldCount
        limits.fieldSize = fieldSize
    }

    /// Lets connections begin with a PROXY header of these versions.
    ///
    /// - Parameter senders: from whom one is taken, beside peers of Unix sockets.
    package mutating func acceptProxyHeaders(v1: Bool, v2: Bool, from senders: AddressSet) {
        proxyVersions = []
        if v1 { proxyVersions.insert(.v1) }
        if v2 { proxyVersions.insert(.v2) }
        proxySenders = senders
    }
}

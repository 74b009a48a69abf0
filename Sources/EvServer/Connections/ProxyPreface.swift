// The stage before HTTP where connections may begin with a PROXY header: it waits until the header is whole, or is seen
// not to be one, and hands the connection on with the client that was announced as its peer. Law: a header counts only
// from those who may send one, nobody else's is read beyond its signature, and after this stage none is looked for.

import EvLoop
import GatewayProtocols
import Logging

final class ProxyPreface: Connection {
    /// What has come of a header that is not whole.
    private var bytes: [UInt8] = []
    private let headers: ProxyHeaders
    private let since = EventLoop.coarseNow()

    init(
        _ transport: Transport, _ peer: PeerAddress, _ listener: Listener, _ worker: Worker, _ headers: ProxyHeaders
    ) {
        self.headers = headers
        super.init(transport, peer, listener, worker)
    }

    override var isSilent: Bool { bytes.isEmpty }
    override var parcel: Parcel? { freshParcel }
    override var lossPhase: DisconnectPhase? { isSilent ? .idle : .head }

    override func begun() { worker.deadlines.begin(.head, self) }

    override func received(_ more: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return read(more) }
        bytes += more
        let all = bytes
        all.withUnsafeBytes { read($0) }
    }

    private func read(_ all: UnsafeRawBufferPointer) {
        switch ProxyHeader.parse(all, headers.versions) {
        case .absent:
            become(next, leftOver: all)
        case .needMoreData(let isHeader):
            if isHeader, !isFromSender(all) { return }
            if bytes.isEmpty { bytes = Array(all) }
            // One that was about to be closed as idle, by a worker that leaves, has time for the rest.
            if wait != .head { worker.deadlines.begin(.head, self) }
        case .header(let header, let count):
            guard isFromSender(all) else { return }
            let (peer, listener) = headers.ends(of: self, header)
            let next = next
            become(
                { transport, _, _, worker in next(transport, peer, listener, worker) },
                leftOver: UnsafeRawBufferPointer(rebasing: all[count...]))
        case .failure(let error):
            if isFromSender(all) { refuse(status: 400, error.detail, all) }
        }
    }

    /// The stage of what stands behind a header.
    private var next: Worker.Stage {
        listener.isSecure ? TLSHandshake.stage : ApplicationProtocols.http1
    }

    /// Whether the peer may send a header. One that may not is refused, as gunicorn does it, and as there whoever may
    /// connect to a unix socket may.
    private func isFromSender(_ all: UnsafeRawBufferPointer) -> Bool {
        if peer.isUnix || headers.senders.contains(peer) { return true }
        headers.warn(of: peer, worker.logger)
        refuse(status: 403, "a PROXY header from a peer that is not in --proxy-allow-from", all)
        return false
    }

    private func refuse(status: Int, _ reason: StaticString, _ all: UnsafeRawBufferPointer) {
        // Where TLS is spoken, an answer in plain HTTP would not be understood.
        guard !listener.isSecure else {
            worker.logger.debug("Refused a connection", metadata: ["reason": "\(reason)", "peer": "\(peer.host)"])
            return closeNow()
        }
        become({ HTTP1Connection($0, $1, $2, $3) }, leftOver: UnsafeRawBufferPointer(start: nil, count: 0))?
            .refuse(status: status, all, since: since, reason: reason, as: .proxyHeader)
    }

    override func expired(_ wait: Wait) {
        switch wait {
        case .head:
            guard !isSilent else { return closeNow() }
            let all = bytes
            all.withUnsafeBytes { refuse(status: 408, "a PROXY header did not arrive in time", $0) }
        case .keepAlive:
            idleTooLong()
        default:
            break
        }
    }
}

/// What the connections of a worker have in common that begin with a PROXY header.
@LoopActor
final class ProxyHeaders {
    let versions: ProxyHeader.Versions
    let senders: AddressSet
    /// The one that was made last: most clients of a proxy have connected to the same address.
    private(set) var lastListener: Listener?
    private var hasWarned = false

    /// Nil where no header is looked for.
    init?(_ configuration: ServerConfiguration) {
        guard !configuration.proxyVersions.isEmpty else { return nil }
        versions = configuration.proxyVersions
        senders = configuration.proxySenders
    }

    /// The first stage of connections.
    static func stage(_ worker: Worker) -> Worker.Stage {
        guard let headers = worker.proxyHeaders else { return { HTTP1Connection($0, $1, $2, $3) } }
        return { ProxyPreface($0, $1, $2, $3, headers) }
    }

    /// Who has connected, and where, as a header says it.
    func ends(of connection: Connection, _ header: ProxyHeader) -> (peer: PeerAddress, listener: Listener) {
        guard let announced = header.announced else { return (connection.peer, connection.listener) }
        let listener = listener(like: connection.listener, PeerAddress(announced.destination))
        return (PeerAddress(announced.source), listener)
    }

    func listener(like listener: Listener, _ destination: PeerAddress) -> Listener {
        if let last = lastListener, last.socket.fileDescriptor == listener.socket.fileDescriptor,
            last.destination?.address == destination
        {
            return last
        }
        let made = Listener(listener.socket, isSecure: listener.isSecure, destination: destination)
        lastListener = made
        return made
    }

    /// Says once that a proxy's headers are refused: a setting may be wrong, or somebody tries.
    func warn(of peer: PeerAddress, _ logger: Logger) {
        guard !hasWarned else { return }
        hasWarned = true
        logger.warning(
            "Refused a PROXY header: its sender is not in --proxy-allow-from", metadata: ["peer": "\(peer.host)"])
    }
}

extension PeerAddress {
    fileprivate init(_ endpoint: ProxyHeader.Endpoint) {
        self.init(isIPv6: endpoint.isIPv6, address: endpoint.address, port: endpoint.port)
    }
}

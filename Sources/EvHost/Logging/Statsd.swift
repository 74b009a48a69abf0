// Metrics for a statsd collector, by gunicorn's names. Law: nothing waits for the collector; metrics of a turn of the
// loop share datagrams, one a line, which statsd and its successors read; no tag or name holds a line end.

package import EvLoop
import EvServer
package import Logging

/// Where and how.
package struct StatsdSettings: Equatable, Sendable {
    package var destination: LogDestination
    /// A trailing dot is added.
    package var prefix: String
    /// `tag:value,tag`, as DogStatsD takes them.
    package var tags: String
}

package final class Statsd {
    private let socket: LogSocket
    /// Empty, or ending with a dot.
    private let prefix: [UInt8]
    /// `|#tag:value,tag`, or empty.
    private let suffix: [UInt8]
    private var datagram: [UInt8] = []
    private var metric: [UInt8] = []
    /// Requests of this turn, by status.
    private var statuses: [(status: Int, count: Int)] = []

    package init(_ settings: StatsdSettings) {
        socket = LogSocket(settings.destination)
        var name = settings.prefix[...]
        while name.hasSuffix(".") { name.removeLast() }
        self.prefix = name.isEmpty ? [] : Array(name.utf8) + [UInt8(ascii: ".")]
        suffix = settings.tags.isEmpty ? [] : Array("|#\(settings.tags)".utf8)
    }

    /// A value that is what it is until the next one.
    package func gauge(_ name: StaticString, _ value: Int) { add(name, String(value), "|g") }
    package func histogram(_ name: StaticString, _ value: Int) { add(name, String(value), "|h") }
    /// - Parameter count: of events since the last call.
    package func increment(_ name: StaticString, _ count: Int = 1) { add(name, String(count), "|c|@1.0") }

    /// Counts a line of the error log, and sends that at once.
    package func count(_ level: Logger.Level, isException: Bool) {
        switch level {
        case _ where isException: increment("gunicorn.log.exception")
        case .critical: increment("gunicorn.log.critical")
        case .error: increment("gunicorn.log.error")
        case .warning: increment("gunicorn.log.warning")
        default: return
        }
        sendDatagram()
    }

    /// Notes a request that has ended; its counters are sent with the others of this turn.
    ///
    /// - Parameter duration: in seconds.
    package func requestEnded(status: Int, duration: Double) {
        // In milliseconds with three decimals: what gunicorn's timer resolves.
        let microseconds = UInt64(min(max(duration, 0), 1e9) * 1e6)
        let decimals = String(1000 + microseconds % 1000).dropFirst()
        add("gunicorn.request.duration", "\(microseconds / 1000).\(decimals)", "|ms")
        if let index = statuses.firstIndex(where: { $0.status == status }) {
            statuses[index].count += 1
        } else {
            statuses.append((status, 1))
        }
    }

    /// Sends what has gathered.
    package func flush() {
        if !statuses.isEmpty {
            increment("gunicorn.requests", statuses.reduce(0) { $0 + $1.count })
            for (status, count) in statuses {
                add("gunicorn.request.status.", String(count), "|c|@1.0", status: String(status))
            }
            statuses.removeAll(keepingCapacity: true)
        }
        sendDatagram()
    }

    /// Tries again what could not be sent at once. Returns true if nothing waits any more.
    @discardableResult
    package func retry() -> Bool { socket.retry() }
    package var waitingDescriptor: Int32? { socket.waitingDescriptor }
    package func finish(seconds: Double) { socket.finish(seconds: seconds) }
    package func takeLost() -> LostLines { socket.takeLost() }

    private func add(_ name: StaticString, _ value: String, _ type: StaticString, status: String = "") {
        metric.removeAll(keepingCapacity: true)
        metric.append(contentsOf: prefix)
        name.withUTF8Buffer { metric.append(contentsOf: $0) }
        metric.append(contentsOf: status.utf8)
        metric.append(UInt8(ascii: ":"))
        metric.append(contentsOf: value.utf8)
        type.withUTF8Buffer { metric.append(contentsOf: $0) }
        metric.append(contentsOf: suffix)
        metric.append(UInt8(ascii: "\n"))
        if datagram.count + metric.count > socket.datagramSize { sendDatagram() }
        datagram.append(contentsOf: metric)
    }

    private func sendDatagram() {
        guard !datagram.isEmpty else { return }
        datagram.withUnsafeBytes { socket.send($0) }
        datagram.removeAll(keepingCapacity: true)
    }
}

/// A worker's metrics of requests.
final class StatsdRequests: RequestMetrics {
    private let statsd: Statsd

    init(_ statsd: Statsd) { self.statsd = statsd }

    func requestEnded(status: Int, duration: Double) { statsd.requestEnded(status: status, duration: duration) }
    func turnEnded() { statsd.flush() }
    func retry() { statsd.retry() }
    func finish() { statsd.finish(seconds: 0.5) }
    func takeLost() -> LostLines { statsd.takeLost() }
}

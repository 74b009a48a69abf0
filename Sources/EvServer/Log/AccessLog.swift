// The access log of a worker: a line for each request, in batches of a turn of the loop. Lines go to sinks and requests
// to an observer; which there are is decided where the worker is made.

package import EvLoop
import Glibc
import HTTPCore

@LoopActor
package final class AccessLog {
    /// What decides about lines.
    package struct Configuration: Sendable {
        package var format: AccessLogFormat
        package var filter = AccessLogFilter.everything
        /// The address is that of the client that trusted proxies name, and not that of the socket.
        package var showsRealClient = false

        package init(format: AccessLogFormat) { self.format = format }
    }

    private let sinks: [any AccessLogSink]
    private let observer: (any AccessLogObserver)?
    private let metrics: (any RequestMetrics)?
    private let format: AccessLogFormat
    private let filter: AccessLogFilter?
    private let showsRealClient: Bool
    private let hasLines: Bool
    private let showsFractions: Bool
    private var buffer: [UInt8] = []
    private var hasEnded = false
    private var drains: [LogDrain] = []
    private let processIdentifier = getpid()

    /// Lines are written early when so many bytes have gathered within a turn.
    private static let batch = 65_536
    /// Bytes that are shown of the request line of a refused head, which may be far too long.
    private static let refusedLine = 1024

    /// Whether the field lines of responses are needed.
    let showsResponseFields: Bool
    /// Whether somebody wants to know how long requests took.
    let showsDuration: Bool
    /// The variables of the app's environ that lines show, as they were typed. Their values are in
    /// `Exchange.loggedVariables`.
    package let variables: [[UInt8]]

    /// - Parameters:
    ///   - sinks: each gets every line.
    ///   - observer: gets every request that has a line.
    ///   - metrics: gets every request.
    package init(
        _ configuration: Configuration, sinks: [any AccessLogSink], observer: (any AccessLogObserver)? = nil,
        metrics: (any RequestMetrics)? = nil
    ) {
        self.sinks = sinks
        self.observer = observer
        self.metrics = metrics
        format = configuration.format
        filter = configuration.filter.isEmpty ? nil : configuration.filter
        showsRealClient = configuration.showsRealClient
        hasLines = !sinks.isEmpty || observer != nil
        showsFractions = hasLines && format.form != .atoms
        showsResponseFields = hasLines && format.showsResponseFields || observer != nil
        showsDuration =
            metrics != nil || observer != nil
            || hasLines && (format.showsDuration || configuration.filter.slowerThan > 0)
        variables = hasLines ? format.variables : []
    }

    func append(_ exchange: Exchange, status: Int, bodyBytes: UInt64) {
        if showsRealClient {
            exchange.withAddress(of: exchange.client.endpoint) { append(exchange, $0, status, bodyBytes) }
        } else {
            exchange.withAddress(of: exchange.remote) { append(exchange, $0, status, bodyBytes) }
        }
    }

    private func append(
        _ exchange: Exchange, _ address: UnsafeRawBufferPointer, _ status: Int, _ bodyBytes: UInt64
    ) {
        let head = exchange.head
        withExtendedLifetime(head) {
            // Some may stand behind the head that was received.
            func slice(_ slice: ByteSlice) -> UnsafeRawBufferPointer { head.bytes(of: slice) }
            var record = AccessLogRecord()
            record.remoteAddress = address
            record.requestLine = head.requestLine
            record.method = slice(head.method)
            record.path = slice(head.path)
            record.query = slice(head.query)
            record.version = Self.name(of: head.version)
            record.status = status
            record.bodyBytes = bodyBytes
            if let tracing = exchange.worker.tracing {
                record.identifiers = (tracing.requestID(of: head), tracing.traceID(of: head))
            }
            exchange.sentLines.withUnsafeBytes { sent in
                append(
                    &record, since: exchange.startedAt, on: exchange.worker.loop, exchange, sentLines: sent,
                    requestField: { name, use in
                        guard let field = head.fields.first(where: { slice($0.name).equalsIgnoringCase(name) }) else {
                            return
                        }
                        use(slice(field.value))
                    })
            }
        }
    }

    private static func name(of version: HTTPVersion) -> StaticString {
        switch version {
        case .http11: "HTTP/1.1"
        case .http10: "HTTP/1.0"
        case .http2: "HTTP/2"
        }
    }

    /// A head that is not served: of its request only the first line is shown, as far as it has come.
    /// - Parameters:
    ///   - sentLines: the field lines of the answer.
    ///   - identifier: the id that it got here.
    func append(
        refused received: UnsafeRawBufferPointer, of connection: Connection, since start: Double, status: Int,
        bodyBytes: UInt64, sentLines: UnsafeRawBufferPointer, identifier: [UInt8]?
    ) {
        connection.worker.withAddress(of: connection.peer) { address in
            var record = AccessLogRecord()
            record.remoteAddress = address
            let line = received.drop { $0 == 13 || $0 == 10 }.prefix(Self.refusedLine).prefix { $0 != 13 && $0 != 10 }
            record.requestLine = UnsafeRawBufferPointer(rebasing: line)
            record.version = "-"
            record.status = status
            record.bodyBytes = bodyBytes
            (identifier ?? []).withUnsafeBytes { identifier in
                let name = connection.worker.tracing?.lowercaseName
                if name != nil { record.identifiers = (identifier, UnsafeRawBufferPointer(start: nil, count: 0)) }
                append(
                    &record, since: start, on: connection.worker.loop, nil, sentLines: sentLines,
                    requestField: { field, use in if field == name { use(identifier) } })
            }
        }
    }

    private func append(
        _ record: inout AccessLogRecord, since start: Double, on loop: EventLoop, _ exchange: Exchange?,
        sentLines: UnsafeRawBufferPointer, requestField: AccessLogFieldLookup
    ) {
        record.duration = max(0, EventLoop.monotonicNow() - start)
        // Before the next poll the lines are written; a guest has to be told that there is one.
        if !hasEnded { loop.noteChange() }
        hasEnded = true
        metrics?.requestEnded(status: record.status, duration: record.duration)
        guard hasLines, filter?.takes(record) ?? true else { return }
        note(time: &record)
        record.processIdentifier = processIdentifier
        let record = record
        let before = buffer.count
        format.append(
            record, to: &buffer, requestField: requestField,
            responseField: { name, use in FieldBlock.value(of: name, in: sentLines).map(use) },
            variable: { name, use in withVariable(name, of: exchange, record, use) })
        if let observer {
            buffer.withUnsafeBytes { bytes in
                observer.requestEnded(
                    FinishedRequest(
                        record: record, line: UnsafeRawBufferPointer(rebasing: bytes[before..<(bytes.count - 1)]),
                        responseFields: sentLines, exchange: exchange))
            }
            if sinks.isEmpty { buffer.removeAll(keepingCapacity: true) }
        }
        if buffer.count >= Self.batch { writeLines() }
    }

    private func note(time record: inout AccessLogRecord) {
        guard showsFractions else {
            record.time = time(nil)
            return
        }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        record.time = now.tv_sec
        record.nanoseconds = now.tv_nsec
    }

    private func writeLines() {
        guard !buffer.isEmpty else { return }
        buffer.withUnsafeBytes { bytes in for sink in sinks { sink.write(bytes) } }
        buffer.removeAll(keepingCapacity: true)
    }

    /// At the end of a turn: writes the lines that have gathered. What the observer's language logs comes only now.
    package func flush() {
        guard hasEnded else { return }
        hasEnded = false
        writeLines()
        metrics?.turnEnded()
        observer?.turnEnded()
    }

    /// Once a second: what a sink could not write at once is tried again, and from then on whenever it can be written.
    func retry(on loop: EventLoop) {
        if drains.isEmpty {
            drains = sinks.map { sink in
                LogDrain(loop) { LoopActor.assumeIsolated { sink.retry() ? nil : sink.waitingDescriptor } }
            }
        }
        for drain in drains { drain.look() }
        metrics?.retry()
    }

    /// The last lines are written, and what does not go on its way now is lost. Maybe within a task of the app's, so
    /// that the observer's last turn is still to end.
    func finish() {
        writeLines()
        metrics?.turnEnded()
        metrics?.finish()
        for sink in sinks { sink.finish() }
    }

    /// The files have been opened again, after a rotation.
    package func reopened() { observer?.reopen() }

    /// Returns, for each sink that has lost lines since the last call, its name and how many; and for metrics.
    package func takeLost() -> [(name: String, lost: LostLines)] {
        var all = sinks.map { ($0.name, $0.takeLost()) }
        if let metrics { all.append(("statsd", metrics.takeLost())) }
        return all.filter { $0.1.count > 0 }
    }
}

extension UnsafeRawBufferPointer {
    /// ASCII comparison; `lowercase` must be in lower case.
    @inlinable package func equalsIgnoringCase(_ lowercase: some Collection<UInt8>) -> Bool {
        count == lowercase.count
            && zip(self, lowercase).allSatisfy { byte, expected in
                byte == expected || (65...90 ~= byte && byte | 0x20 == expected)
            }
    }
}

// The error log in gunicorn's line format. A message is always one line: control characters are escaped. The time stamp
// is formatted once per second. No write waits; lines that were lost are counted, and the log says so when it can.

package import EvLoop
import Glibc
package import Logging
import Synchronization

/// The sink that all loggers of a process share. Any thread may log.
package final class ErrorLog: Sendable {
    fileprivate struct State: ~Copyable {
        var file: LogFile
        var level = Logger.Level.info
        var stampSecond = Int.min
        var stamp: [UInt8] = []
        var line: [UInt8] = []
        var relay: Relay?
        var syslog: Syslog?
        var statsd: Statsd?
    }

    private let state: Mutex<State>

    /// Opens the log.
    ///
    /// - Parameter path: a file, or `-` for standard error.
    package init(path: String) throws(SystemError) {
        state = Mutex(State(file: try LogFile(path: path, standard: STDERR_FILENO)))
    }

    /// Sends each line to syslog too, and counts warnings and errors for statsd, from now on.
    package func send(to syslog: SyslogSettings?, counting statsd: StatsdSettings?) {
        state.withLock { state in
            state.syslog = syslog.map { Syslog($0, log: "error") }
            state.statsd = statsd.map { Statsd($0) }
        }
    }

    /// In a forked child, which opens sockets of its own: what waits is the parent's to write.
    package func forget(_ syslog: SyslogSettings?, _ statsd: StatsdSettings?) {
        state.withLock { $0.file.forget() }
        send(to: syslog, counting: statsd)
    }

    /// Tries again what could not be written at once. Returns true if nothing waits any more.
    @discardableResult
    package func retry() -> Bool {
        state.withLock { state in
            let isDone = state.file.retry()
            state.noteLost()
            let hasSent = [state.syslog?.retry(), state.statsd?.retry()]
            return isDone && !hasSent.contains(false)
        }
    }

    /// What is to become writable before that; nil if nothing waits.
    package var waitingDescriptor: Int32? {
        state.withLock {
            $0.file.waitingDescriptor ?? $0.syslog?.waitingDescriptor ?? $0.statsd?.waitingDescriptor
        }
    }

    /// Waits a moment for what has not been taken yet; the rest is lost. For the end of the process.
    package func finish() {
        state.withLock { state in
            state.file.finish(seconds: 0.5)
            state.noteLost()
            state.syslog?.finish(seconds: 0.5)
            state.statsd?.finish(seconds: 0.5)
        }
    }

    /// Returns how many lines syslog did not get since the last call. The log tells by itself how many it lost.
    package func takeLostToSyslog() -> LostLines { state.withLock { $0.syslog?.takeLost() ?? LostLines() } }

    /// The same for what is counted of its lines.
    package func takeLostToStatsd() -> LostLines { state.withLock { $0.statsd?.takeLost() ?? LostLines() } }

    /// How many lines its file has lost since this process began.
    package var lostEver: Int { state.withLock { $0.file.lostEver } }

    /// For the last words of a process whose descriptors an app has closed.
    package func leaveOwnDescriptor() { state.withLock { $0.file.leaveOwnDescriptor() } }

    /// All descriptors that must stay as they are while the log is in use.
    package var descriptors: [Int32] { state.withLock { $0.file.descriptors } }

    /// For writers that cannot take a lock, such as a crashing process that prints its stacks. `reopen` keeps the
    /// number.
    package var fileDescriptor: Int32 { state.withLock { $0.file.fileDescriptor } }

    /// Opens the path again; if that fails, the old file stays in use.
    package func reopen() throws(SystemError) {
        let failure: SystemError? = state.withLock { state in
            do throws(SystemError) {
                try state.file.reopen()
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    /// Writes to another file from now on; if it cannot be opened, the old one stays in use.
    package func move(to path: String) throws(SystemError) {
        guard state.withLock({ $0.file.path }) != path else { return }
        let failure: SystemError? = state.withLock { state in
            do throws(SystemError) {
                state.file = try LogFile(path: path, standard: STDERR_FILENO)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    /// Takes a line, or a report of several, in place of the file; returns false if it cannot.
    package typealias Relay = @Sendable (_ level: Logger.Level, _ text: String) -> Bool

    /// The log of another language, which is asked before anything is written here.
    package var relay: Relay? {
        get { state.withLock { $0.relay } }
        set { state.withLock { $0.relay = newValue } }
    }

    /// The least level that loggers write.
    package var level: Logger.Level {
        get { state.withLock { $0.level } }
        set { state.withLock { $0.level = newValue } }
    }

    /// Writes bytes as they are: a traceback, or what an app wrote to `wsgi.errors`.
    package func write(_ bytes: UnsafeRawBufferPointer, level: Logger.Level = .error) {
        if let relay {
            let text = String(decoding: bytes, as: UTF8.self)
            if relay(level, text.last == "\n" ? String(text.dropLast()) : text) { return }
        }
        let copy = [UInt8](bytes)
        state.withLock { state in
            copy.withUnsafeBytes {
                state.put($0)
                state.syslog?.write($0, level: level)
            }
        }
    }

    /// A logger that writes here, at the level of the log.
    package func makeLogger(label: String) -> Logger {
        Logger(label: label) { _ in GatewayLogHandler(log: self) }
    }

    func write(level: Logger.Level, message: String, metadata: [(key: String, value: String)]) {
        let isException = Self.exceptions.contains { message.hasPrefix($0) }
        if let relay, relay(level, LogLine.text(message, metadata)) {
            return state.withLock { $0.statsd?.count(level, isException: isException) }
        }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        state.withLock { state in
            if state.stampSecond != now.tv_sec {
                state.stampSecond = now.tv_sec
                state.stamp.removeAll(keepingCapacity: true)
                LocalTime(secondsSinceEpoch: now.tv_sec).appendISO(to: &state.stamp)
            }
            // Read for each line, because master and workers use the same logger and getpid() is cheap.
            LogLine.append(
                stamp: state.stamp, processIdentifier: getpid(), level: level, message: message, metadata: metadata,
                to: &state.line)
            state.putLine()
            if let syslog = state.syslog {
                var text: [UInt8] = []
                LogLine.append(message: message, metadata: metadata, to: &text)
                text.withUnsafeBytes { syslog.write($0, level: level) }
            }
            state.statsd?.count(level, isException: isException)
        }
    }
}

extension ErrorLog {
    /// What gunicorn logs with a traceback, which statsd counts by itself.
    private static let exceptions = ["Error handling request ", "Exception in worker process"]
}

extension ErrorLog.State {
    mutating func putLine() {
        line.withUnsafeBytes { put($0) }
        line.removeAll(keepingCapacity: line.capacity <= 16_384)
    }

    /// Writes whole lines; and after lines that were lost, as soon as the log takes some again, how many.
    func put(_ lines: UnsafeRawBufferPointer) {
        file.write(lines)
        noteLost()
    }

    func noteLost() {
        file.noteLost { lost in
            var note: [UInt8] = []
            var stamp: [UInt8] = []
            LocalTime(secondsSinceEpoch: time(nil)).appendISO(to: &stamp)
            LogLine.append(
                stamp: stamp, processIdentifier: getpid(), level: .warning,
                message: "Lost \(lost.counted("line")) of this log: \(lost.reasonText)", metadata: [], to: &note)
            return note
        }
    }
}

extension LostLines {
    /// `1 line`, `2 lines`.
    func counted(_ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

    /// The reason in words, without a full stop.
    package var reasonText: String {
        switch reason {
        case EAGAIN: "its reader does not keep up"
        case EPIPE: "nobody reads it any more"
        default: String(cString: strerror(reason))
        }
    }
}

/// swift-log's handler over an `ErrorLog`.
struct GatewayLogHandler: LogHandler {
    let log: ErrorLog
    /// Set for one copy of a logger; nil for that of the log.
    private var ownLevel: Logger.Level?
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(log: ErrorLog) { self.log = log }

    var logLevel: Logger.Level {
        get { ownLevel ?? log.level }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let own = event.metadata { all.merge(own) { _, new in new } }
        if let error = event.error { all["error"] = "\(error)" }
        let pairs = all.isEmpty ? [] : all.map { (key: $0.key, value: "\($0.value)") }.sorted { $0.key < $1.key }
        log.write(level: event.level, message: event.message.description, metadata: pairs)
    }
}

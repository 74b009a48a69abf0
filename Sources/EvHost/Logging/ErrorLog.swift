// The error log in gunicorn's line format. A message is always one line: control characters are escaped. The time stamp
// is formatted once per second.

package import EvLoop
import Glibc
package import Logging
import Synchronization

/// The sink that all loggers of a process share. Any thread may log.
package final class ErrorLog: Sendable {
    private struct State: ~Copyable {
        var file: LogFile
        var level = Logger.Level.info
        var stampSecond = Int.min
        var stamp: [UInt8] = []
        var line: [UInt8] = []
    }

    private let state: Mutex<State>

    /// Opens the log.
    ///
    /// - Parameter path: a file, or `-` for standard error.
    package init(path: String) throws(SystemError) {
        state = Mutex(State(file: try LogFile(path: path, standard: STDERR_FILENO)))
    }

    /// How many writes did not reach the log.
    package var lostWrites: Int { state.withLock { $0.file.lostWrites } }

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

    /// The least level that loggers write.
    package var level: Logger.Level {
        get { state.withLock { $0.level } }
        set { state.withLock { $0.level = newValue } }
    }

    /// Writes bytes as they are: a traceback, or what an app wrote to `wsgi.errors`.
    package func write(_ bytes: UnsafeRawBufferPointer) {
        let copy = [UInt8](bytes)
        state.withLock { state in copy.withUnsafeBytes { state.file.write($0) } }
    }

    /// A logger that writes here, at the level of the log.
    package func makeLogger(label: String) -> Logger {
        Logger(label: label) { _ in GatewayLogHandler(log: self) }
    }

    func write(level: Logger.Level, message: String, metadata: [(key: String, value: String)]) {
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
            state.line.withUnsafeBytes { state.file.write($0) }
            state.line.removeAll(keepingCapacity: state.line.capacity <= 16_384)
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

// The two logs of a process, opened before the fork and shared by descriptor with every worker. A reload may change
// where they are and what they hold.

import EvLoop
import EvServer
import EvSettings
import Glibc
import Logging

final class ProcessLogs {
    let errorLog: ErrorLog
    let logger: Logger
    private(set) var accessLog: LogFile?
    private(set) var accessLogFormat: AccessLogFormat

    init(_ settings: Settings) throws(ConfigurationError) {
        let configuration = settings.configuration
        accessLogFormat = try Self.format(settings)
        do {
            errorLog = try ErrorLog(path: configuration.errorLogFile)
        } catch {
            throw Self.failure(settings, "errorlog", configuration.errorLogFile, error)
        }
        accessLog = try Self.accessLog(settings)
        errorLog.level = configuration.logLevel.level
        logger = errorLog.makeLogger(label: "evgateway")
    }

    /// The access log of a worker; nil if nobody wants lines.
    ///
    /// - Parameter observer: the log of the app's language, which takes the place of the files.
    @LoopActor
    func makeAccessLog(observer: (any AccessLogObserver)?) -> AccessLog? {
        let sinks: [any AccessLogSink] = observer == nil ? accessLog.map { [LogFileSink($0)] } ?? [] : []
        guard observer != nil || !sinks.isEmpty else { return nil }
        return AccessLog(format: accessLogFormat, sinks: sinks, observer: observer)
    }

    /// Throws if the settings of a reload cannot be used.
    func check(_ settings: Settings) throws(ConfigurationError) {
        let configuration = settings.configuration
        _ = try Self.accessLog(settings)
        do {
            _ = try LogFile(path: configuration.errorLogFile, standard: STDERR_FILENO)
        } catch {
            throw Self.failure(settings, "errorlog", configuration.errorLogFile, error)
        }
    }

    /// Lines as they are: a traceback.
    func write(_ text: String) {
        var text = text.hasSuffix("\n") ? text : text + "\n"
        text.withUTF8 { errorLog.write(UnsafeRawBufferPointer($0)) }
    }

    /// Takes the settings of a reload. If one of them cannot be used, nothing is changed.
    func change(to settings: Settings) throws(ConfigurationError) {
        let configuration = settings.configuration
        let format = try Self.format(settings)
        let access = try accessLog?.path == configuration.accessLogFile ? accessLog : Self.accessLog(settings)
        do {
            try errorLog.move(to: configuration.errorLogFile)
        } catch {
            throw Self.failure(settings, "errorlog", configuration.errorLogFile, error)
        }
        errorLog.level = configuration.logLevel.level
        (accessLogFormat, accessLog) = (format, access)
    }

    /// Opens both logs again after a rotation. If a log cannot be opened, its old file stays in use.
    func reopen() {
        do {
            try errorLog.reopen()
            try accessLog?.reopen()
        } catch {
            logger.error("Cannot reopen the logs", metadata: ["error": "\(error)"])
        }
    }

    static func format(_ settings: Settings) throws(ConfigurationError) -> AccessLogFormat {
        do {
            return try AccessLogFormat(parsing: settings.configuration.accessLogFormat)
        } catch {
            throw ConfigurationError(settings.label(of: "access_log_format"), reason: "\(error)")
        }
    }

    private static func accessLog(_ settings: Settings) throws(ConfigurationError) -> LogFile? {
        guard let path = settings.configuration.accessLogFile else { return nil }
        do {
            return try LogFile(path: path, standard: STDOUT_FILENO)
        } catch {
            throw failure(settings, "accesslog", path, error)
        }
    }

    private static func failure(
        _ settings: Settings, _ name: String, _ path: String, _ error: SystemError
    ) -> ConfigurationError {
        ConfigurationError(
            settings.label(of: name), reason: "cannot open '\(path)': \(String(cString: strerror(error.errno)))")
    }
}

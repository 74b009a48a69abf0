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
    private var capture: OutputCapture
    private var accessLog: LogFile?
    private var accessLogSettings: AccessLog.Configuration
    private var collectors: Collectors
    /// What the master itself measures; nil without --statsd-host, and in a worker.
    private(set) var masterMetrics: Statsd?

    init(_ settings: Settings) throws(ConfigurationError) {
        let configuration = settings.configuration
        accessLogSettings = try Self.accessLogSettings(settings)
        collectors = try Collectors(settings)
        do {
            errorLog = try ErrorLog(path: configuration.errorLogFile)
        } catch {
            throw Self.failure(settings, "errorlog", configuration.errorLogFile, error)
        }
        accessLog = try Self.accessLog(settings)
        errorLog.level = configuration.logLevel.level
        capture = OutputCapture(configuration)
        logger = errorLog.makeLogger(label: "evgateway")
        send()
    }

    private func send() {
        errorLog.send(to: collectors.syslog, counting: collectors.statsd)
        masterMetrics = collectors.statsd.map { Statsd($0) }
    }

    /// In a forked worker: what waits to be written is the master's.
    func forget() {
        errorLog.forget(collectors.syslog, collectors.statsd)
        accessLog?.forget()
        masterMetrics = nil
    }

    /// All descriptors that must stay as they are while the logs are in use.
    var descriptors: [Int32] { errorLog.descriptors + (accessLog?.descriptors ?? []) }

    /// The access log of a worker; nil if nobody wants lines.
    ///
    /// - Parameter observer: the log of the app's language, which takes the place of the files.
    @LoopActor
    func makeAccessLog(observer: (any AccessLogObserver)?) -> AccessLog? {
        var sinks: [any AccessLogSink] = []
        if observer == nil {
            if let accessLog { sinks.append(LogFileSink(accessLog)) }
            if let syslog = collectors.syslog, collectors.sendsAccessLog {
                sinks.append(SyslogSink(Syslog(syslog, log: "access")))
            }
        }
        let metrics = collectors.statsd.map { StatsdRequests(Statsd($0)) }
        guard observer != nil || metrics != nil || !sinks.isEmpty else { return nil }
        return AccessLog(accessLogSettings, sinks: sinks, observer: observer, metrics: metrics)
    }

    /// Throws if the settings of a reload cannot be used.
    func check(_ settings: Settings) throws(ConfigurationError) {
        let configuration = settings.configuration
        _ = try Self.accessLog(settings)
        _ = try Collectors(settings)
        do {
            _ = try LogFile(path: configuration.errorLogFile, standard: STDERR_FILENO)
        } catch {
            throw Self.failure(settings, "errorlog", configuration.errorLogFile, error)
        }
    }

    /// Lines as they are: a traceback.
    func write(_ text: String, level: Logger.Level = .error) {
        var text = text.hasSuffix("\n") ? text : text + "\n"
        text.withUTF8 { errorLog.write(UnsafeRawBufferPointer($0), level: level) }
    }

    /// Takes the settings of a reload. If one of them cannot be used, nothing is changed.
    func change(to settings: Settings) throws(ConfigurationError) {
        let configuration = settings.configuration
        let wanted = try Self.accessLogSettings(settings)
        let fresh = try Collectors(settings)
        let access = try accessLog?.path == configuration.accessLogFile ? accessLog : Self.accessLog(settings)
        do {
            try errorLog.move(to: configuration.errorLogFile)
        } catch {
            throw Self.failure(settings, "errorlog", configuration.errorLogFile, error)
        }
        errorLog.level = configuration.logLevel.level
        capture.change(to: configuration)
        (accessLogSettings, accessLog) = (wanted, access)
        if fresh != collectors {
            collectors = fresh
            send()
        }
    }

    /// Lets the standard streams of the process lead to the error log, where that is asked for.
    func captureOutput() { capture.redirect(to: errorLog.fileDescriptor) }

    /// Opens both logs again after a rotation. If a log cannot be opened, its old file stays in use.
    func reopen() {
        do {
            try errorLog.reopen()
            try accessLog?.reopen()
        } catch {
            logger.error("Cannot reopen the logs", metadata: ["error": "\(error)"])
        }
        captureOutput()
    }

    /// Throws if the format or a rule of the access log cannot be used.
    static func accessLogSettings(_ settings: Settings) throws(ConfigurationError) -> AccessLog.Configuration {
        let configuration = settings.configuration
        var wanted: AccessLog.Configuration
        do {
            wanted = AccessLog.Configuration(format: try AccessLogFormat(parsing: configuration.accessLogFormat))
        } catch {
            throw ConfigurationError(settings.label(of: "access_log_format"), reason: "\(error)")
        }
        do {
            wanted.filter = try AccessLogFilter(
                skipping: configuration.accessLogSkip, slowerThan: configuration.accessLogSlow)
        } catch {
            throw ConfigurationError(settings.label(of: "access_log_skip"), reason: "\(error)")
        }
        wanted.showsRealClient = configuration.accessLogClient == .real
        return wanted
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

// The values that the command line and the environment give: every default filled in, every value checked. No file is
// opened and no address resolved here.

package import EvLoop
package import EvServer
package import Logging

/// A complete, valid configuration. Durations are seconds, sizes are bytes; 0 means what the option's help says.
package struct GatewayConfiguration: Sendable {
    /// APP as typed; nil when the program itself is the app.
    package var application: String?
    /// APP names a function without parameters that makes the app.
    package var factory = false
    /// What follows `--`.
    package var applicationArguments: [String]
    package var workerClass: WorkerClass

    package var binds: [BindAddress]
    package var backlog: Int32
    package var reusePort: Bool
    package var workers: Int
    package var connections: Int
    package var maxRequests: Int
    package var maxRequestsJitter: Int

    package var timeout: Double
    package var gracefulTimeout: Double
    package var keepAliveTimeout: Double
    package var headerTimeout: Double
    package var bodyTimeout: Double
    /// Bytes per second.
    package var bodyMinimumRate: Int
    package var writeTimeout: Double
    package var halfCloseGrace: Double
    /// 0: no limit.
    package var requestTimeout: Double

    package var requestLineLimit: Int
    package var requestFieldsLimit: Int
    package var requestFieldSizeLimit: Int
    /// nil: no limit.
    package var requestBodyLimit: UInt64?
    /// Bytes of a response that may wait in a file; 0: none.
    package var spoolLimit: Int

    package var changeDirectory: String?
    package var pythonPath: [String]
    package var python: String?
    package var preload: Bool

    /// Threads of a worker of class `threads`.
    package var threads: Int
    /// True if `--threads` was given and is more than one.
    package var asksForThreads: Bool
    /// `--interface`: how Python apps are called.
    package var interface: AppInterface
    /// The app is called before its request body has arrived.
    package var streamRequestBody: Bool
    /// gevent patches the standard library before the app is imported.
    package var monkeyPatch: Bool
    /// An exception is raised in the greenlet of a request whose client has left.
    package var cancelOnDisconnect: Bool
    /// ASGI's `root_path`: empty, or beginning with a slash and not ending with one.
    package var rootPath: String
    package var lifespan: Lifespan
    package var asgiLoop: ASGILoop

    package var accessLogFile: String?
    package var accessLogFormat: AccessLogFormat
    package var errorLogFile: String
    package var logLevel: Logger.Level

    package var pidFile: String?
    package var sendsServerHeader: Bool
    package var checkOnly: Bool
    /// Where large request bodies are spooled.
    package var spool: SpoolConfiguration

    /// - Parameter environment: where `WEB_CONCURRENCY`, `PORT`, `TMPDIR`, `TEMP` and `TMP` are looked up.
    package init(_ options: GatewayOptions, environment: EnvironmentLookup) throws(ConfigurationError) {
        application = try OptionValue.nonEmpty("APP", options.app)
        applicationArguments = options.appArguments
        let pythonApps = options.pythonApps
        let threadsAsked = try pythonApps.threads.map { text throws(ConfigurationError) in
            try OptionValue.wholeNumber("--threads", text, in: 1...1024)
        }
        threads = threadsAsked ?? WorkerClass.usualThreads(options.workers.workerClass)
        asksForThreads = (threadsAsked ?? 1) > 1
        workerClass = try WorkerClass(parsing: options.workers.workerClass)
        interface = try OptionValue.choice("--interface", pythonApps.interface)
        try workerClass.check(interface)
        streamRequestBody = pythonApps.streamRequestBody
        monkeyPatch = pythonApps.monkeyPatch
        cancelOnDisconnect = pythonApps.cancelOnDisconnect
        rootPath = try Self.rootPath(pythonApps.rootPath)
        lifespan = try OptionValue.choice("--lifespan", pythonApps.lifespan)
        asgiLoop = try OptionValue.choice("--asgi-loop", pythonApps.asgiLoop)

        binds = try Self.binds(options.binding.bind, port: environment("PORT"))
        backlog = Int32(clamping: try OptionValue.wholeNumber("--backlog", options.binding.backlog, in: 1...65_535))
        reusePort = options.binding.reusePort
        workers = try Self.workers(options.workers.workers, concurrency: environment("WEB_CONCURRENCY"))
        connections = try OptionValue.wholeNumber("--connections", options.workers.connections, in: 1...1_000_000)
        maxRequests = try OptionValue.wholeNumber("--max-requests", options.workers.maxRequests, in: 0...Int.max)
        maxRequestsJitter = try OptionValue.wholeNumber(
            "--max-requests-jitter", options.workers.maxRequestsJitter, in: 0...Int(Int32.max))

        let times = options.times
        timeout = try OptionValue.seconds("--timeout", times.timeout)
        gracefulTimeout = try OptionValue.seconds("--graceful-timeout", times.gracefulTimeout)
        keepAliveTimeout = try OptionValue.seconds("--keep-alive", times.keepAlive)
        headerTimeout = try OptionValue.seconds("--header-timeout", times.headerTimeout)
        bodyTimeout = try OptionValue.seconds("--body-timeout", times.bodyTimeout)
        bodyMinimumRate = try OptionValue.wholeNumber(
            "--body-min-rate", times.bodyMinRate, in: 0...Int(Int32.max))
        writeTimeout = try OptionValue.seconds("--write-timeout", times.writeTimeout)
        halfCloseGrace = try OptionValue.seconds("--half-close-grace", times.halfCloseGrace)
        requestTimeout = try OptionValue.seconds("--request-timeout", times.requestTimeout)

        let sizes = options.sizes
        requestLineLimit = try OptionValue.wholeNumber("--limit-request-line", sizes.limitRequestLine, in: 0...65_536)
        requestFieldsLimit = try OptionValue.wholeNumber(
            "--limit-request-fields", sizes.limitRequestFields, in: 1...32_768)
        requestFieldSizeLimit = try OptionValue.wholeNumber(
            "--limit-request-field_size", sizes.limitRequestFieldSize, in: 0...65_536)
        let body = try OptionValue.wholeNumber("--limit-request-body", sizes.limitRequestBody, in: 0...Int.max)
        requestBodyLimit = body == 0 ? nil : UInt64(body)
        spoolLimit = try OptionValue.wholeNumber("--spool-limit", sizes.spoolLimit, in: 0...Int.max)

        changeDirectory = try OptionValue.nonEmpty("--chdir", options.application.chdir)
        pythonPath = (options.application.pythonpath ?? "").split(separator: ",").map(String.init)
        python = try OptionValue.nonEmpty("--python", options.application.python)
        preload = options.application.preload

        accessLogFile = try OptionValue.nonEmpty("--access-logfile", options.logging.accessLogfile)
        accessLogFormat = try Self.accessLogFormat(options.logging.accessLogformat)
        errorLogFile = try OptionValue.nonEmpty("--error-logfile", options.logging.errorLogfile) ?? "-"
        logLevel = try Self.logLevel(options.logging.logLevel)

        pidFile = try OptionValue.nonEmpty("--pid", options.process.pid)
        sendsServerHeader = options.process.serverHeader
        checkOnly = options.process.checkConfig
        spool = SpoolConfiguration(environment: environment)
    }

    private static func binds(_ texts: [String], port: String?) throws(ConfigurationError) -> [BindAddress] {
        if texts.isEmpty {
            guard let port, !port.isEmpty else { return [.tcp(host: "127.0.0.1", port: 8000)] }
            let number = try OptionValue.wholeNumber("PORT", port, in: 0...65_535)
            return [.tcp(host: "0.0.0.0", port: UInt16(clamping: number))]
        }
        var addresses: [BindAddress] = []
        for text in texts {
            do {
                addresses.append(try BindAddress(parsing: text))
            } catch {
                throw ConfigurationError("--bind", reason: "\(error)")
            }
        }
        return addresses
    }

    private static func workers(_ text: String?, concurrency: String?) throws(ConfigurationError) -> Int {
        if let text { return try OptionValue.wholeNumber("--workers", text, in: 1...1024) }
        guard let concurrency, !concurrency.isEmpty else { return 1 }
        return try OptionValue.wholeNumber("WEB_CONCURRENCY", concurrency, in: 1...1024)
    }

    private static func rootPath(_ text: String) throws(ConfigurationError) -> String {
        guard !text.isEmpty else { return "" }
        guard text.hasPrefix("/") else {
            throw ConfigurationError("--root-path", reason: "'\(text)' does not begin with '/'")
        }
        var path = text[...]
        while path.hasSuffix("/") { path.removeLast() }
        return String(path)
    }

    private static func accessLogFormat(_ text: String?) throws(ConfigurationError) -> AccessLogFormat {
        do {
            return try AccessLogFormat(parsing: text ?? AccessLogFormat.combined)
        } catch {
            throw ConfigurationError("--access-logformat", reason: "\(error)")
        }
    }

    private static func logLevel(_ text: String) throws(ConfigurationError) -> Logger.Level {
        switch text.lowercased() {
        case "debug": return .debug
        case "info": return .info
        case "warning": return .warning
        case "error": return .error
        case "critical": return .critical
        default:
            throw ConfigurationError(
                "--log-level", reason: "'\(text)' is not a level: choose debug, info, warning, error or critical")
        }
    }
}

// The values that a server runs with. The initial value of a property is the default of its setting, and stands nowhere
// else. Which text gives which value is the business of the rows.

package import EvLoop

/// A configuration. Durations are seconds, sizes are bytes; 0 means what the help of the setting says.
package struct GatewayConfiguration: Sendable {
    /// APP; nil when the program itself is the app.
    package var application: String?
    /// What follows `--`.
    package var applicationArguments: [String] = []
    /// APP names a function that makes the app.
    package var isFactory = false
    /// `FILE.ini#section` of PasteDeploy, in place of APP.
    package var paste: String?
    package var pasteVariables: [String] = []

    package var configurationFile: String?
    package var changeDirectory: String?
    package var pythonPath: [String] = []
    package var python: String?
    package var preload = false
    /// `NAME=value`, for the environment of the app.
    package var environment: [String] = []
    package var environmentFiles: [String] = []
    package var temporaryFolder: String?

    package var binds: [BindAddress] = [.tcp(host: "127.0.0.1", port: BindAddress.defaultPort)]
    /// What is spoken at those that say it, by `BindAddress.text`; and at the others.
    package var bindProtocols: [String: AddressProtocol] = [:]
    package var addressProtocol = AddressProtocol.http
    /// Who may speak another protocol than HTTP.
    package var gatewaySenders = AddressSet.loopback
    /// Together they stand for one bind address.
    package var host: String?
    package var port: Int?
    /// Mode of the files of Unix sockets; nil: what `umask` leaves of 0777.
    package var socketMode: Int?
    /// `USER`, `USER:GROUP` or `:GROUP` of these files; nil: `user` and `group`.
    package var socketOwner: String?
    package var tcpKeepAlive: TCPKeepAlive?
    package var tcpUserTimeout = 0.0
    package var deferAccept = 0.0
    package var backlog = 2048
    package var reusePort = false
    /// PROXY headers, and who may send them.
    package var proxyProtocol = ProxyProtocol.off
    package var proxySenders = AddressSet.loopback

    package var certificateFile: String?
    /// Nil: in the certificate's file.
    package var keyFile: String?
    package var keyPassword: String?
    package var certificateFolder: String?
    package var stapleFile: String?
    package var authoritiesFile: String?
    package var clientCertificates = ClientCertificates.none
    /// Nil for good ones.
    package var ciphers: String?
    /// Offered over TLS, in the order of preference.
    package var httpProtocols = [HTTPProtocol.h2, .h1]
    /// As in the protocol: TLS 1.2.
    package var minimumTLSVersion = 0x0303

    package var workers = 1
    package var workerClass = WorkerClass.auto
    /// The name asks for one request at a time, as gunicorn's `sync` does.
    package var isSync = false
    /// `--threads`, where it was given.
    package var threadsAsked: Int?
    package var connections = 1000
    package var maxRequests = 0
    package var maxRequestsJitter = 0

    /// Seconds that workers go on accepting after TERM.
    package var shutdownDelay = 0.0
    package var drainWindow = 10.0
    package var maxWorkerLifetime = 0.0
    package var maxWorkerLifetimeJitter = 0.0
    /// Resident bytes; 0: no limit.
    package var maxWorkerRSS = 0
    /// Where it is more than `workers`, the number of workers follows the load.
    package var maxWorkers = 0
    package var workerIdleTimeout = 30.0

    package var timeout = 30.0
    package var gracefulTimeout = 30.0
    package var keepAliveTimeout = 75.0
    package var headerTimeout = 15.0
    package var bodyTimeout = 15.0
    package var handshakeTimeout = 10.0
    /// Bytes per second.
    package var bodyMinimumRate = 500
    package var writeTimeout = 60.0
    package var halfCloseGrace = 0.5
    /// 0: no limit.
    package var requestTimeout = 0.0

    package var requestLineLimit = 4094
    package var requestFieldsLimit = 100
    package var requestFieldSizeLimit = 8190
    /// 0: no limit.
    package var requestBodyLimit = 0
    /// Bytes of a response that may wait in a file; 0: none.
    package var spoolLimit = 256 << 20

    /// How Python apps are called.
    package var interface = AppInterface.auto
    /// The app is called before its request body has arrived.
    package var streamRequestBody = false
    /// gevent patches the standard library before the app is imported.
    package var monkeyPatch = true
    /// An exception is raised in the greenlet of a request whose client has left.
    package var cancelOnDisconnect = false
    /// ASGI's `root_path`: empty, or beginning with a slash and not ending with one.
    package var rootPath = ""
    package var lifespan = Lifespan.auto
    package var asgiLoop = ASGILoop.auto

    /// Proxies that are believed.
    package var forwardedAllowIPs = AddressSet.loopback
    /// Nil for the usual ones.
    package var secureSchemeHeaders: [SchemeHeader]?
    /// Whether the client that proxies name is the app's; nil for what the worker class has.
    package var proxyHeaders: Bool?
    /// The worker class was asked for by uvicorn's name.
    package var isUvicornWorker = false
    /// The fields that proxies write; nil for the usual two.
    package var trustedProxyHeaders: [ProxyHeader]?
    /// 0: as many as are trusted.
    package var trustedProxyCount = 0
    /// Names with an underscore that proxies may send; `*` for all.
    package var forwarderHeaders = ["SCRIPT_NAME", "PATH_INFO"]
    package var headerMap = HeaderMap.drop

    /// Nil: where the field is named.
    package var requestID: Bool?
    /// By what a request belongs to a worker; nil for nothing.
    package var sticky: StickyChoice?
    /// Idle and held connections move to workers that have fewer.
    package var rebalances = false
    /// The field of a request's id; nil for `X-Request-ID`.
    package var requestIDHeader: String?
    package var newTraces = NewTraces.sampled

    package var accessLogFile: String?
    /// gunicorn's `%(x)s` atoms, or `json` or `logfmt`.
    package var accessLogFormat = #"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#
    package var accessLogClient = AccessLogClient.peer
    /// Rules; each may be several with commas between them.
    package var accessLogSkip: [String] = []
    /// 0: requests are logged however fast they are.
    package var accessLogSlow = 0.0
    package var errorLogFile = "-"
    /// 0: none is.
    package var slowRequest = 0.0
    package var logLevel = LogLevel.info
    package var syslog = false
    /// As gunicorn writes it; `LogAddress(syslog:)` takes it.
    package var syslogAddress = "udp://localhost:514"
    package var syslogPrefix: String?
    package var syslogFacility = SyslogFacility.user
    package var keepsAccessLogFromSyslog = false
    /// `LogAddress(statsd:)` takes it.
    package var statsdAddress: String?
    package var statsdPrefix = ""
    package var dogstatsdTags = ""
    package var measuresBacklog = false

    /// What the app prints goes to the error log's file.
    package var capturesOutput = false
    /// Of Python's logging; see `asksForPythonLog`.
    package var loggerClass: String?
    package var logConfigFile: String?
    package var logConfigJSONFile: String?
    package var logConfigTable: [SettingValue.Entry] = []

    package var pidFile: String?
    /// nil: that of the process that starts the server.
    package var umask: Int?
    /// Of the workers, by name or number; nil: that of the process that starts the server.
    package var user: String?
    package var group: String?
    package var initializesGroups = false
    package var isDaemon = false
    /// A daemon keeps standard output and standard error.
    package var keepsStreams = false
    /// In the titles of the processes; nil: the app's.
    package var processName: String?
    package var cpuAffinity: CPUAffinity?
    /// What `user`, `group` and `initializesGroups` stand for on this machine, found out by the master; nil: no change.
    package var workerUser: Credentials?
    /// The same of `socketOwner`.
    package var socketFileOwner = FileOwner()
    package var sendsServerHeader = true
    package var checkOnly = false

    /// Workers start anew when files of the app change.
    package var reload = false
    package var reloadEngine = ReloadEngine.auto
    /// Files, folders and globs.
    package var reloadExtraFiles: [String] = []
    package var reloadExcludes: [String] = []

    package var healthPaths: [String] = []
    /// Where the server answers for itself; none: nowhere.
    package var adminBinds: [BindAddress] = []
    /// What whoever comes over TCP must know.
    package var adminToken: String?
    /// Apps have their requests held, and are told so with a token that this key signs.
    package var grip = false
    package var gripKey: String?
    package var gripIssuer = "evgateway"
    /// The Redis by which this server and others send each other messages; nil: none. Its text, with the password.
    package var bus: String?
    /// Where messages are taken for requests that are held; none: nowhere.
    package var publishBinds: [BindAddress] = []
    /// What signs the tokens of publishers who come over TCP, and a token that is the same for all; either will do.
    package var publishKey: String?
    package var publishToken: String?
    /// Bytes of one request to publish.
    package var publishLimit = 4 << 20
    package var webSocket = WebSocketChoice.auto
    package var webSocketMaxSize = 16_777_216
    package var webSocketMaxQueue = 32
    package var webSocketPingInterval = 20.0
    package var webSocketPingTimeout = 20.0
    package var webSocketIsCompressed = true
    package var webSocketKeepsContext = false

    package var http2Cleartext = CleartextChoice.off
    package var http2MaxConcurrentStreams = 100
    package var http2InitialWindowSize = 65_535
    package var http2ConnectionWindowSize = 1 << 20
    package var http2MaxFrameSize = 16_384
    package var http2MaxHeaderListSize = 65_536

    package var printsConfiguration = false

    package init() {}

    /// gunicorn's.
    package static let usualSchemeHeaders = [
        SchemeHeader(name: "X-FORWARDED-PROTOCOL", value: "ssl"),
        SchemeHeader(name: "X-FORWARDED-PROTO", value: "https"), SchemeHeader(name: "X-FORWARDED-SSL", value: "on"),
    ]

    /// Threads of a worker of class `threads`.
    package var threads: Int { threadsAsked ?? (isSync ? 1 : 8) }
    /// `--threads` asks for more than one.
    package var asksForThreads: Bool { (threadsAsked ?? 1) > 1 }
}

/// `--access-log-client`: whose address is logged.
package enum AccessLogClient: String, CaseIterable, Sendable {
    /// The other end of the socket, often a proxy.
    case peer
    /// The client that trusted proxies have named.
    case real
}

/// `--ws`: what a request for a WebSocket is.
package enum WebSocketChoice: String, CaseIterable, Sendable {
    case auto
    /// An ordinary request.
    case none
}

/// `--reload-engine`: how changes of files are noticed.
package enum ReloadEngine: String, CaseIterable, Sendable {
    /// inotify where it can be had, else poll.
    case auto
    case poll
    case inotify
}

/// `--log-level`.
package enum LogLevel: String, CaseIterable, Sendable {
    case debug
    case info
    case warning
    case error
    case critical
}

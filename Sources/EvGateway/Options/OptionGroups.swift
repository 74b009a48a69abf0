// The command line as it was typed, in the groups that `--help` shows. Names are gunicorn's. Values are text here;
// `GatewayConfiguration` converts and checks them.

import ArgumentParser

struct BindingOptions: ParsableArguments {
    @Option(
        name: [.customShort("b", allowingJoined: true), .long],
        help: ArgumentHelp(
            "HOST:PORT, [::1]:PORT, :PORT, unix:PATH, unix:@NAME or fd://N; repeatable.",
            discussion: "Default: 127.0.0.1:8000, or 0.0.0.0:$PORT when PORT is set.", valueName: "address"))
    var bind: [String] = []

    @Option(parsing: .unconditional, help: ArgumentHelp("Connections the kernel may queue.", valueName: "int"))
    var backlog = "2048"

    @Flag(help: "One socket per worker, with SO_REUSEPORT, in place of one that all share.")
    var reusePort = false
}

struct WorkerOptions: ParsableArguments {
    @Option(
        name: [.customShort("w", allowingJoined: true), .long], parsing: .unconditional,
        help: ArgumentHelp("Worker processes. (default: $WEB_CONCURRENCY, else 1)", valueName: "int"))
    var workers: String?

    @Option(
        name: [.long, .customLong("worker-connections")], parsing: .unconditional,
        help: ArgumentHelp("Open connections a worker holds at most.", valueName: "int"))
    var connections = "1000"

    @Option(
        name: [.customShort("k", allowingJoined: true), .long],
        help: ArgumentHelp(
            "How the app is called: auto, gevent, threads or inline (WSGI), asgi, or swift.",
            discussion: "gunicorn's names are understood: sync (one thread), gthread, uvicorn.workers.UvicornWorker.",
            valueName: "name"))
    var workerClass = "auto"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Requests after which a worker is replaced; 0: never.", valueName: "int"))
    var maxRequests = "0"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Up to so many requests, at random, are added to --max-requests.", valueName: "int"))
    var maxRequestsJitter = "0"
}

struct TimeLimitOptions: ParsableArguments {
    @Option(
        name: [.customShort("t", allowingJoined: true), .long], parsing: .unconditional,
        help: ArgumentHelp("A worker whose loop stands still so long is replaced; 0: never.", valueName: "seconds"))
    var timeout = "30"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Time for a stopping worker to finish its requests.", valueName: "seconds"))
    var gracefulTimeout = "30"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Time that an idle connection stays open; 0: none.", valueName: "seconds"))
    var keepAlive = "75"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Time for a request's head to arrive whole; 0: no limit.", valueName: "seconds"))
    var headerTimeout = "15"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Longest pause within a request body; 0: no limit.", valueName: "seconds"))
    var bodyTimeout = "15"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Least average rate of a request body, in bytes/s; 0: any.", valueName: "int"))
    var bodyMinRate = "500"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Longest time that a client reads nothing of its response; 0: any.", valueName: "seconds"))
    var writeTimeout = "60"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "A client that sent FIN and cannot be asked, or is silent, is gone after this; 0: never.",
            valueName: "seconds"))
    var halfCloseGrace = "0.5"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Time to answer a request. Then 504, or the end of a response that has begun; 0: no limit.",
            discussion: "The app may move the deadline of each request.", valueName: "seconds"))
    var requestTimeout = "0"
}

struct SizeLimitOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Most bytes of a request line; 0: only the head's limit.", valueName: "int"))
    var limitRequestLine = "4094"

    @Option(parsing: .unconditional, help: ArgumentHelp("Most header fields of a request.", valueName: "int"))
    var limitRequestFields = "100"

    @Option(
        name: [.customLong("limit-request-field_size"), .customLong("limit-request-field-size")],
        parsing: .unconditional,
        help: ArgumentHelp("Most bytes of a header field; 0: only the head's limit.", valueName: "int"))
    var limitRequestFieldSize = "8190"

    @Option(parsing: .unconditional, help: ArgumentHelp("Most bytes of a request body; 0: no limit.", valueName: "int"))
    var limitRequestBody = "0"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "With threads: bytes of a response that wait for a slow client in a temporary file; 0: none.",
            discussion: "Beyond that, the response keeps its thread until the client has taken half of it.",
            valueName: "int"))
    var spoolLimit = "268435456"
}

struct ApplicationOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Change to this folder before the app is loaded.", valueName: "folder"))
    var chdir: String?

    @Option(help: ArgumentHelp("Folders to add to Python's path, separated by commas.", valueName: "folders"))
    var pythonpath: String?

    @Option(
        help: ArgumentHelp(
            "Its interpreter, or virtual environment. (default: $VIRTUAL_ENV, else python3 on PATH)",
            valueName: "path"))
    var python: String?

    @Flag(help: "Load the app once, in the master, before workers are forked.")
    var preload = false
}

/// How Python apps are called.
struct PythonOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Threads of a worker of class threads. (default: 8)", valueName: "int"))
    var threads: String?

    @Option(help: ArgumentHelp("The app's interface: auto, wsgi or asgi.", valueName: "name"))
    var interface = "auto"

    @Flag(help: "With threads and gevent: call the app before its request body has arrived.")
    var streamRequestBody = false

    @Flag(inversion: .prefixedNo, help: "With gevent: patch the standard library before the app is imported.")
    var monkeyPatch = true

    @Flag(help: "With gevent: raise an exception in a greenlet whose client has left.")
    var cancelOnDisconnect = false

    @Option(help: ArgumentHelp("The path that a proxy strips, as ASGI's root_path.", valueName: "path"))
    var rootPath = ""

    @Option(help: ArgumentHelp("ASGI's lifespan events: auto, on or off.", valueName: "name"))
    var lifespan = "auto"

    @Option(help: ArgumentHelp("The event loop of ASGI apps: auto, asyncio or uvloop.", valueName: "name"))
    var asgiLoop = "auto"
}

struct LoggingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Where requests are logged; '-': standard output. (default: nowhere)", valueName: "file"))
    var accessLogfile: String?

    @Option(
        help: ArgumentHelp(
            "The access log's line, in gunicorn's %(x)s atoms. (default: combined)",
            discussion: "h l u t r m U q H s B b f a T M D L p {name}i {name}o; others print '-'.",
            valueName: "format"))
    var accessLogformat: String?

    @Option(
        name: [.long, .customLong("log-file")],
        help: ArgumentHelp("Where everything else is logged; '-': standard error.", valueName: "file"))
    var errorLogfile = "-"

    @Option(help: ArgumentHelp("debug, info, warning, error or critical.", valueName: "level"))
    var logLevel = "info"
}

struct ProcessOptions: ParsableArguments {
    @Option(
        name: [.customShort("p", allowingJoined: true), .long],
        help: ArgumentHelp("File that holds the master's process id.", valueName: "file"))
    var pid: String?

    @Flag(inversion: .prefixedNo, help: "Send the Server header.")
    var serverHeader = true

    @Flag(help: "Check options and app, print the result and exit.")
    var checkConfig = false

    @Flag(name: [.customShort("v"), .long], help: "Print the version and exit.")
    var version = false
}

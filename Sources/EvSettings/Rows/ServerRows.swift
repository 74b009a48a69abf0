// The rows of the server itself: where it listens, its workers, its limits in time and size.

extension Setting {
    static let bindingRows = [
        Setting(
            "bind", "-b --bind", .binding, .binds, value: "address",
            variables: [Variable("PORT", allAddresses)],
            "HOST:PORT, [::1]:PORT, :PORT, unix:PATH, unix:@NAME or fd://N; repeatable.",
            details: "http://, https://, uwsgi://, fastcgi:// or scgi:// before it says what is spoken there. With "
                + "PORT in the environment and no address: 0.0.0.0:$PORT. Sockets that systemd passes on are used in "
                + "place of all this, unless fd://N or fd://NAME chooses among them."),
        Setting(
            "host", "--host", .binding, .text(\.host), value: "host",
            "With --port: the address to bind, as uvicorn and waitress spell it."),
        Setting(
            "port", "--port", .binding, .wholeNumber(\.port, 0...65_535), value: "int",
            "With --host: the port to bind; 0: the kernel chooses. Alone: of 127.0.0.1."),
        Setting(
            "backlog", "--backlog", .binding, .wholeNumber(\.backlog, 1...65_535), value: "int",
            "Connections the kernel may queue, up to its own net.core.somaxconn."),
        Setting(
            "reuse_port", "--reuse-port", .binding, .toggle(\.reusePort),
            "One socket per worker, with SO_REUSEPORT, in place of one that all share."),
    ]

    /// `$PORT` means all IPv4 addresses, as with gunicorn.
    private static func allAddresses(_ text: String) throws(ValueError) -> String {
        "0.0.0.0:\(try ValueReader.wholeNumber(.text(text), in: 0...65_535))"
    }

    static let workerRows = [
        Setting(
            "workers", "-w --workers", .workers, .wholeNumber(\.workers, 1...1024), value: "int",
            variables: [Variable("WEB_CONCURRENCY")], "Worker processes.",
            details: "WEB_CONCURRENCY in the environment gives the number, too."),
        Setting(
            "worker_connections", "--connections --worker-connections", .workers,
            .wholeNumber(\.connections, 1...1_000_000), value: "int", "Open connections a worker holds at most."),
        Setting(
            "worker_class", "-k --worker-class", .workers, .workerClass, value: "name",
            "How the app is called: auto, gevent, threads or inline (WSGI), asgi, or swift.",
            details: "gunicorn's names are understood: sync (threads with one thread), gthread, gevent, "
                + "uvicorn.workers.UvicornWorker and others."),
        Setting(
            "threads", "--threads", .workers, .wholeNumber(\.threadsAsked, 1...1024), value: "int",
            "Threads of a worker of class threads; 8, and 1 for sync.",
            details: "More than one makes auto choose threads for a WSGI app, as gunicorn does."),
        Setting(
            "max_requests", "--max-requests", .workers, .wholeNumber(\.maxRequests, 0...Int.max), value: "int",
            "Requests after which a worker is replaced; 0: never."),
        Setting(
            "max_requests_jitter", "--max-requests-jitter", .workers,
            .wholeNumber(\.maxRequestsJitter, 0...Int(Int32.max)), value: "int",
            "Up to so many requests, at random, are added to --max-requests."),
    ]

    static let timeRows = [
        Setting(
            "timeout", "-t --timeout", .times, .seconds(\.timeout), value: "seconds",
            "A worker whose loop stands still so long is replaced; 0: never."),
        Setting(
            "graceful_timeout", "--graceful-timeout", .times, .seconds(\.gracefulTimeout), value: "seconds",
            "Time for a stopping worker to finish its requests."),
        Setting(
            "keepalive", "--keep-alive", .times, .seconds(\.keepAliveTimeout), value: "seconds",
            "Time that an idle connection stays open; 0: none.",
            details: "gunicorn's default is 2, which is shorter than what proxies keep connections for, so that they "
                + "may send a request into a closing one."),
        Setting(
            "header_timeout", "--header-timeout", .times, .seconds(\.headerTimeout), value: "seconds",
            "Time for a request's head to arrive whole; 0: no limit."),
        Setting(
            "handshake_timeout", "--handshake-timeout", .times, .seconds(\.handshakeTimeout), value: "seconds",
            "Time for a TLS handshake, from accept to its end; 0: no limit."),
        Setting(
            "body_timeout", "--body-timeout", .times, .seconds(\.bodyTimeout), value: "seconds",
            "Longest pause within a request body; 0: no limit."),
        Setting(
            "body_min_rate", "--body-min-rate", .times, .wholeNumber(\.bodyMinimumRate, 0...Int(Int32.max)),
            value: "int", "Least average rate of a request body, in bytes/s; 0: any."),
        Setting(
            "write_timeout", "--write-timeout", .times, .seconds(\.writeTimeout), value: "seconds",
            "Longest time that a client reads nothing of its response; 0: any."),
        Setting(
            "half_close_grace", "--half-close-grace", .times, .seconds(\.halfCloseGrace), value: "seconds",
            "A client that sent FIN and cannot be asked, or is silent, is gone after this; 0: never."),
        Setting(
            "request_timeout", "--request-timeout", .times, .seconds(\.requestTimeout), value: "seconds",
            "Time to answer a request, then 504, or the end of a response that has begun; 0: no limit.",
            details: "The app may move the deadline of each request."),
    ]

    static let sizeRows = [
        Setting(
            "limit_request_line", "--limit-request-line", .sizes, .wholeNumber(\.requestLineLimit, 0...65_536),
            value: "int", "Most bytes of a request line; 0: only the head's limit."),
        Setting(
            "limit_request_fields", "--limit-request-fields", .sizes, .wholeNumber(\.requestFieldsLimit, 1...32_768),
            value: "int", "Most header fields of a request."),
        Setting(
            "limit_request_field_size", "--limit-request-field_size --limit-request-field-size", .sizes,
            .wholeNumber(\.requestFieldSizeLimit, 0...65_536), value: "int",
            "Most bytes of a header field; 0: only the head's limit."),
        Setting(
            "limit_request_body", "--limit-request-body", .sizes, .wholeNumber(\.requestBodyLimit, 0...Int.max),
            value: "int", "Most bytes of a request body; 0: no limit."),
        Setting(
            "spool_limit", "--spool-limit", .sizes, .wholeNumber(\.spoolLimit, 0...Int.max), value: "int",
            "With threads: bytes of a response that wait for a slow client in a temporary file; 0: none.",
            details: "Beyond that, the response keeps its thread until the client has taken half of it."),
        Setting(
            "tmp_upload_dir", "--tmp-upload-dir", .sizes, .text(\.temporaryFolder, .folder), value: "folder",
            "Where large bodies wait in temporary files; else $TMPDIR, /tmp, /var/tmp."),
    ]
}

// The flags of uvicorn, granian, waitress-serve, uWSGI, hypercorn, daphne and mod_wsgi-express that are not gunicorn's:
// an alias where the meaning is the same, else what to write instead.

/// One flag of another server.
struct ForeignFlag: Sendable {
    enum Meaning: Sendable {
        /// The setting of this name, with the value as the function gives it.
        case same(String, @Sendable (String) throws(ValueError) -> String)
        /// A switch of this meaning.
        case toggle(String, SettingValue)
        /// What to do in its place.
        case instead(String)
        /// It asks for what is the case anyway.
        case nothing
    }

    let meaning: Meaning
    let takesValue: Bool

    /// By flag, with its dashes.
    static let all: [String: ForeignFlag] = {
        var table: [String: ForeignFlag] = [:]
        for (flags, name) in aliases { add(flags, .same(name) { text throws(ValueError) in text }, true, to: &table) }
        for (flags, name, transform) in converted { add(flags, .same(name, transform), true, to: &table) }
        for (flags, name, value) in toggles { add(flags, .toggle(name, value), false, to: &table) }
        add(agreed, .nothing, false, to: &table)
        for (flags, text) in insteadOfSwitches { add(flags, .instead(text), false, to: &table) }
        for (flags, text) in insteadOfValues { add(flags, .instead(text), true, to: &table) }
        return table
    }()

    private static func add(
        _ flags: String, _ meaning: Meaning, _ takesValue: Bool, to table: inout [String: ForeignFlag]
    ) {
        for flag in flags.split(separator: " ") {
            table[String(flag)] = ForeignFlag(meaning: meaning, takesValue: takesValue)
        }
    }

    /// The same value under another name.
    private static let aliases = [
        ("--http-socket --http11-socket --insecure-bind", "bind"),
        ("--unix-socket-perms --uds-permissions --chmod-socket", "socket_mode"),
        ("--processes", "workers"),
        ("--blocking-threads", "threads"),
        ("--limit-concurrency --connection-limit --max-clients", "worker_connections"),
        ("--limit-max-requests --maximum-requests", "max_requests"),
        ("--limit-max-requests-jitter --max-requests-delta", "max_requests_jitter"),
        ("--timeout-keep-alive --keep-alive-timeout", "keepalive"),
        (
            "--timeout-graceful-shutdown --workers-kill-timeout --shutdown-timeout --worker-reload-mercy",
            "graceful_timeout"
        ),
        ("--harakiri", "request_timeout"),
        ("--channel-timeout", "keepalive"),
        ("--server-backlog", "backlog"),
        ("--max-request-body-size --limit-post", "limit_request_body"),
        ("--app-dir --python-path --pp", "pythonpath"),
        ("--working-dir --working-directory", "chdir"),
        ("--virtualenv --venv --home", "python"),
        ("--wsgi-file --module --wsgi --app", "wsgi_app"),
        ("--setenv", "raw_env"), ("--env-files", "env_file"),
        ("--url-path-prefix --url-prefix", "root_path"),
        ("--access-log-fmt --access-log-format", "access_log_format"),
        ("--pidfile --pid-file --safe-pidfile", "pidfile"),
        ("--logto", "errorlog"),
        ("--ini --ini-paste-config", "config"),
        ("--process-name", "proc_name"), ("--server-root", "worker_tmp_dir"),
        ("--ssl-certfile --ssl-certificate --ssl-certificate-file", "certfile"),
        ("--ssl-keyfile --ssl-certificate-key-file", "keyfile"),
        ("--ssl-ca-certs --ssl-ca", "ca_certs"), ("--ssl-ciphers", "ciphers"), ("--ssl-cert-reqs", "cert_reqs"),
        ("--uid", "user"), ("--gid", "group"),
        ("--reload-dir --reload-include --reload-paths --touch-reload", "reload_extra_files"),
        ("--ws-max-size --websocket-max-message-size-bytes", "websocket_max_message_size"),
        ("--trusted-proxy", "forwarded_allow_ips"),
    ]

    private static let converted: [(String, String, @Sendable (String) throws(ValueError) -> String)] = [
        ("--uds --unix-socket", "bind", { text throws(ValueError) in "unix:" + text }),
        ("--fd", "bind", { text throws(ValueError) in "fd://" + text }),
        ("--listen", "bind", listen),
        ("--http", "bind", http),
        (
            "--gevent", "worker_class",
            { _ throws(ValueError) in
                throw ValueError("write --worker-class gevent --connections N")
            }
        ),
    ]

    /// waitress has addresses there, `*:8080` among them, and uWSGI the length of the queue.
    private static func listen(_ text: String) throws(ValueError) -> String {
        guard !text.allSatisfy(\.isNumber) else {
            throw ValueError("'\(text)' is no address; write --bind :\(text) or --backlog \(text)")
        }
        return text.hasPrefix("*:") ? String(text.dropFirst()) : text
    }

    /// uWSGI has an address there, uvicorn the name of a parser and granian a version of HTTP.
    private static func http(_ text: String) throws(ValueError) -> String {
        if text == "2" { throw ValueError("HTTP/2 is not spoken: let the proxy speak HTTP/1.1 to this server") }
        if ["auto", "1", "h11", "httptools"].contains(text) { return "" }
        return text
    }

    private static let toggles: [(String, String, SettingValue)] = [
        ("--call", "factory", .boolean(true)),
        ("--access-log", "accesslog", .text("-")), ("--no-access-log --disable-logging", "accesslog", .none),
        ("--daemonize", "daemon", .boolean(true)),
        ("--reload-on-changes --py-autoreload", "reload", .boolean(true)),
        ("--lazy-apps --lazy", "preload_app", .boolean(false)),
        ("--ssl --https", "certfile", .text("yes")),
    ]

    private static let agreed =
        "--master -M --vacuum --die-on-term --enable-threads --single-interpreter --need-app --thunder-lock --strict "
        + "--no-ipv4 --ipv4 --ipv6 --date-header --http-keepalive --http-auto-chunked --http1-keep-alive "
        + "--respawn-failed-workers --gevent-monkey-patch --post-buffering --use-colors --no-use-colors --log"

    private static let insteadOfSwitches = [
        (
            "--proxy-headers --trust-proxy-header",
            "X-Forwarded-* fields are not evaluated: let the app do it, as with "
                + "werkzeug's ProxyFix or uvicorn's ProxyHeadersMiddleware"
        ),
        ("--no-date-header", "the Date field is always sent (RFC 9110, 6.6.1)"),
        ("--manage-script-name", "write --root-path PATH"),
        ("--no-log", "write --error-logfile FILE or --log-level critical"),
        ("--expose-tracebacks", "tracebacks go to the error log"),
        ("--http2 --quic", "HTTP/2 is not spoken: let the proxy speak HTTP/1.1 to this server"),
        ("--metrics --server-metrics --server-status --stats-http", "there are no metrics"),
    ]

    private static let insteadOfValues = [
        ("--callable --callable-object --entry-point", "write it as part of APP: module:callable"),
        ("--mount", "write APP and --root-path /PREFIX"),
        ("--chown-socket", "start the server as the owner"),
        (
            "--socket -s --uwsgi-socket --fastcgi-socket --scgi-socket",
            "only HTTP is spoken: write --bind ADDRESS, and proxy_pass in nginx"
        ),
        (
            "--ws --ws-max-queue --ws-ping-interval --ws-ping-timeout --websocket-ping-interval",
            "WebSocket is not spoken"
        ),
        ("--header", "let the app or the proxy add it"),
        ("--runtime-threads --runtime-mode --runtime-blocking-threads --task-impl", "write --workers N"),
        ("--backpressure", "write --connections N"),
        ("--workers-lifetime --workers-max-rss --max-worker-lifetime --reload-on-rss", "write --max-requests N"),
        (
            "--static-path-mount --static-path-route --static-map --check-static --document-root",
            "static files are not served: let the proxy or the app do it (whitenoise)"
        ),
        ("--application-type", "write --interface NAME"),
        ("--server-name --ident", "write --no-server-header"),
        ("--url-scheme", "let the app set it, as with werkzeug's ProxyFix"),
        ("--outbuf-high-watermark --outbuf-overflow", "write --spool-limit BYTES"),
        ("--async", "write --worker-class gevent"),
        ("--stats --metrics-port --metrics-address", "there are no metrics"),
        ("--log-format", "write --access-logformat FORMAT"),
    ]
}

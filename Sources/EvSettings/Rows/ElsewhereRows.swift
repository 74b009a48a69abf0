// The flags of uvicorn, granian, waitress-serve, uWSGI, hypercorn, daphne and mod_wsgi-express that are not gunicorn's:
// an alias where the meaning is the same, else what to write instead.

/// One flag of another server.
struct ForeignFlag: Sendable {
    enum Meaning: Sendable {
        /// The setting of this name, with the value as the function gives it.
        case same(String, @Sendable (String) throws(ValueError) -> String)
        /// As `same`, and the other setting has to have this value for it.
        case sameWith(String, other: String, String)
        /// An address of uWSGI's at which this is spoken; nil: what --protocol says, else uwsgi.
        case socket(AddressProtocol?)
        /// `/PREFIX=APP`.
        case mount
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
        add(
            "--trusted-proxy --trust-proxy", .sameWith("forwarded_allow_ips", other: "proxy_headers", "true"), true,
            to: &table)
        add("--socket -s", .socket(nil), true, to: &table)
        add("--mount", .mount, true, to: &table)
        for spoken in [AddressProtocol.uwsgi, .fastcgi, .scgi] {
            add("--\(spoken)-socket", .socket(spoken), true, to: &table)
        }
        add("--gevent", .sameWith("worker_connections", other: "worker_class", "gevent"), true, to: &table)
        add("--daemonize -d", .sameWith("errorlog", other: "daemon", "true"), true, to: &table)
        add(agreed, .nothing, false, to: &table)
        add(agreedValues, .nothing, true, to: &table)
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
        ("--unix-socket-perms --uds-permissions --chmod-socket -C", "socket_mode"), ("--chown-socket", "socket_owner"),
        ("--processes", "workers"),
        ("--blocking-threads", "threads"),
        ("--limit-concurrency --connection-limit --max-clients", "worker_connections"),
        ("--limit-max-requests --maximum-requests", "max_requests"),
        ("--limit-max-requests-jitter --max-requests-delta", "max_requests_jitter"),
        ("--restart-interval", "max_worker_lifetime"),
        ("--max-worker-lifetime-delta", "max_worker_lifetime_jitter"),
        ("--timeout-keep-alive --keep-alive-timeout", "keepalive"),
        (
            "--timeout-graceful-shutdown --workers-kill-timeout --shutdown-timeout --worker-reload-mercy",
            "graceful_timeout"
        ),
        ("--harakiri", "request_timeout"),
        ("--channel-timeout", "keepalive"),
        ("--server-backlog --request-queue-size -l", "backlog"),
        ("--timeout-worker-healthcheck", "timeout"),
        ("--max-request-body-size --limit-post", "limit_request_body"),
        ("--app-dir --python-path --pp", "pythonpath"),
        ("--working-dir --working-directory", "chdir"),
        ("--virtualenv --venv --home -H", "python"),
        ("--wsgi-file --module --wsgi --app", "wsgi_app"),
        ("--setenv", "raw_env"), ("--env-files", "env_file"),
        ("--url-path-prefix --url-prefix --mount-point", "root_path"),
        ("--trust-proxy-header", "trusted_proxy_headers"),
        ("--access-log-fmt --access-log-format", "access_log_format"),
        ("--pidfile --pid-file --safe-pidfile", "pidfile"),
        ("--logto", "errorlog"),
        ("--ini --ini-paste-config", "config"),
        ("--process-name --procname --procname-prefix --procname-prefix-spaced", "proc_name"),
        ("--server-root", "worker_tmp_dir"),
        ("--ssl-certfile --ssl-certificate --ssl-certificate-file", "certfile"),
        ("--ssl-keyfile --ssl-certificate-key-file", "keyfile"),
        ("--ssl-keyfile-password", "keyfile_password"), ("--ssl-protocol-min", "ssl_min_version"),
        ("--ssl-ca-certs --ssl-ca", "ca_certs"), ("--ssl-ciphers", "ciphers"),
        ("--ssl-cert-reqs --verify-mode", "cert_reqs"),
        ("--uid", "user"), ("--gid", "group"),
        ("--reload-paths --touch-reload", "reload_extra_files"),
        ("--reload-ignore-dirs --reload-ignore-paths", "reload_excludes"),
        ("--websocket-max-message-size-bytes --websocket-max-frame-size", "websocket_max_message_size"),
        ("--websocket-ping-interval --ping-interval", "ws_ping_interval"),
        ("--ping-timeout", "ws_ping_timeout"),
    ]

    private static let converted: [(String, String, @Sendable (String) throws(ValueError) -> String)] = [
        ("--uds --unix-socket", "bind", { text throws(ValueError) in "unix:" + text }),
        ("--fd", "bind", { text throws(ValueError) in "fd://" + text }),
        ("--listen", "bind", listen),
        ("--http", "bind", http),
        ("--http1-header-read-timeout", "header_timeout", milliseconds),
        ("--workers-lifetime", "max_worker_lifetime", duration),
        ("--workers-max-rss --reload-on-rss --evil-reload-on-rss", "max_worker_rss", megabytes),
        ("--reload-dir", "reload_extra_files", { text throws(ValueError) in text + "/**/*.py" }),
        ("--reload-include", "reload_extra_files", anywhere),
        ("--py-autoreload", "reload", { text throws(ValueError) in text == "0" ? "false" : "true" }),
    ]

    /// waitress has addresses there, `*:8080` among them, and uWSGI the length of the queue.
    private static func listen(_ text: String) throws(ValueError) -> String {
        guard !text.allSatisfy(\.isNumber) else {
            throw ValueError("'\(text)' is no address; write --bind :\(text) or --backlog \(text)")
        }
        return text.hasPrefix("*:") ? String(text.dropFirst()) : text
    }

    /// An address of uWSGI's: what has no port is the path of a Unix socket, or `@NAME` of Linux's abstract names.
    static func address(_ text: String) -> String {
        if text.hasPrefix("*:") { return String(text.dropFirst()) }
        return text.isEmpty || text.contains(":") ? text : "unix:\(text)"
    }

    /// uWSGI has an address there, uvicorn the name of a parser and granian a version of HTTP.
    private static func http(_ text: String) throws(ValueError) -> String {
        if text == "2" { throw ValueError("write --http2-cleartext, which is for trusted proxies") }
        if ["auto", "1", "h11", "httptools"].contains(text) { return "" }
        return text
    }

    /// uvicorn has a glob for the last names of a path there, or a folder.
    private static func anywhere(_ text: String) throws(ValueError) -> String {
        text.contains { "*?[".contains($0) } && !text.hasPrefix("/") ? "**/" + text : text
    }

    private static func milliseconds(_ text: String) throws(ValueError) -> String {
        guard let number = Int(text) else { throw ValueError("'\(text)' is not a number of milliseconds") }
        return String(Double(number) / 1000)
    }

    /// granian takes `1h30m`, too.
    private static func duration(_ text: String) throws(ValueError) -> String {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let last = text.last, units[last] != nil else { return text }
        var (sum, digits) = (0, "")
        for character in text {
            guard let unit = units[character] else {
                digits.append(character)
                continue
            }
            guard let number = Int32(digits) else { throw ValueError("'\(text)' is not a time such as 1h30m") }
            (sum, digits) = (sum + Int(number) * unit, "")
        }
        return String(sum)
    }

    private static func megabytes(_ text: String) throws(ValueError) -> String {
        guard Int(text) != nil else { throw ValueError("'\(text)' is not a number of megabytes") }
        return text + "M"
    }

    private static let toggles: [(String, String, SettingValue)] = [
        ("--call", "factory", .boolean(true)),
        ("--access-log", "accesslog", .text("-")), ("--no-access-log --disable-logging -L", "accesslog", .none),
        ("--no-ws", "ws", .text("none")),
        ("--no-server-name", "server_header", .boolean(false)),
        ("--no-http1-keep-alive", "keepalive", .text("0")),
        ("--reload-on-changes --reload-ignore-worker-failure", "reload", .boolean(true)),
        ("--lazy-apps --lazy", "preload_app", .boolean(false)),
        ("--enable-proxy-protocol --http-enable-proxy-protocol", "proxy_protocol", .text("v1")),
        ("--log-x-forwarded-for", "access_log_client", .text("real")),
        ("--ssl-client-verify", "cert_reqs", .text("required")),
        ("--no-ssl-client-verify", "cert_reqs", .text("none")),
    ]

    private static let agreed =
        "--master -M --vacuum --die-on-term --enable-threads -T --single-interpreter -i --need-app --thunder-lock "
        + "--strict --no-ipv4 --ipv4 --no-ipv6 --ipv6 --date-header --http-keepalive --http-auto-chunked "
        + "--http1-keep-alive --http1-pipeline-flush --respawn-failed-workers --gevent-monkey-patch --use-colors "
        + "--no-use-colors --log --no-expose-tracebacks --no-log-untrusted-proxy-headers "
        + "--no-clear-untrusted-proxy-headers --no-log-socket-errors --asyncore-use-poll --disable-reloading "
        + "--log-to-terminal --enable-sendfile --harakiri-verbose --log-master --no-orphans --auto-procname "
        + "--ignore-sigpipe --ignore-write-errors --disable-write-exception --memory-report --so-keepalive "
        + "--tcp-nodelay --close-on-exec --allow-localhost --manage-script-name"

    /// Sizes and times of what is made in another way here.
    private static let agreedValues =
        "--post-buffering --offload-threads --plugin --plugins --http-processes --recv-bytes --send-bytes "
        + "--inbuf-overflow --outbuf-overflow --cleanup-interval --channel-request-lookahead --asyncore-loop-timeout "
        + "--passenv --connect-timeout --daemon-backlog --response-buffer-size --respawn-interval "
        + "--blocking-threads-idle-timeout --server-alias --rss-sample-interval --rss-samples --reload-delay "
        + "--reload-tick"

    private static let insteadOfSwitches = [
        ("--clear-untrusted-proxy-headers", "let the proxy remove what clients send of them"),
        ("--log-untrusted-proxy-headers", "write --access-logformat FORMAT, with %({x-forwarded-for}i)s in it"),
        ("--no-date-header", "the Date field is always sent (RFC 9110, 6.6.1)"),
        ("--ssl --https-only", "write --certfile FILE and --keyfile FILE"),
        ("--log-socket-errors", "--log-level debug shows clients that left"),
        ("--debug", "write --log-level debug"),
        ("--compress-responses", "let the proxy or the app compress"),
        ("--rotate-logs", rotation),
        ("--http-websockets", "WebSocket needs no option"),
        ("--setup-only", "no files are generated"),
        (
            "--debug-mode --enable-debugger --enable-profiler --enable-coverage --enable-recorder --enable-gdb",
            "use the development server of the framework"
        ),
        ("--no-log", "write --error-logfile FILE or --log-level critical"),
        ("--expose-tracebacks", "tracebacks go to the error log"),
        ("--http2", "write --http2-cleartext, which is for trusted proxies"),
        ("--quic", "HTTP/3 is not spoken: let the proxy speak HTTP/1.1 to this server"),
        ("--metrics --server-metrics --server-status --stats-http", "there are no metrics"),
    ]

    private static let insteadOfValues = [
        ("--callable --callable-object --entry-point", "write it as part of APP: module:callable"),
        ("--websocket_timeout --websocket_connect_timeout", "the app decides how long a WebSocket lasts"),
        ("--proxy-headers-host --proxy-headers-port", "let the proxy write X-Forwarded-For"),
        ("--proxy-mount-point", "write --root-path PATH, or --trusted-proxy-headers x-forwarded-prefix"),
        ("--endpoint", OtherServers.bind),
        ("-x -y -j --xml --yaml --yml --json", OtherServers.iniAlone),
        ("--quic-bind", "HTTP/3 is not spoken: let the proxy speak HTTP/1.1 to this server"),
        ("--https", "write -b https://ADDRESS, --certfile FILE and --keyfile FILE"),
        ("--hsts-policy", "let the app add Strict-Transport-Security"),
        ("--ssl-crl", "certificates of clients are checked by --ca-certs alone"),
        ("--read-timeout --socket-timeout -z", "write --header-timeout, --body-timeout and --write-timeout SECONDS"),
        ("--header-max-timeout --header-min-rate", "write --header-timeout SECONDS for the whole head"),
        ("--body-max-timeout", "write --body-timeout and --body-min-rate"),
        ("--http-timeout --interrupt-timeout --queue-timeout", "write --request-timeout SECONDS"),
        ("--startup-timeout --deadlock-timeout", "write --timeout SECONDS"),
        (
            "--max-request-header-size --buffer-size --http1-buffer-size --h11-max-incomplete-event-size",
            "write --limit-request-line and --limit-request-field_size BYTES"
        ),
        ("--max-threads", "write --threads N"),
        ("--accepted-queue-size --accepted-queue-timeout", "write --connections N"),
        ("--initial-workers", "write --workers N"),
        (
            "--chroot",
            "the server needs /proc and the app its interpreter, so use RootDirectory= of systemd, or a container"
        ),
        ("--limit-as", "write ulimit -v before the command, or MemoryMax= for systemd"),
        ("--lang --locale", "set LC_ALL in the environment"),
        ("--log-directory", "write --error-logfile FILE and --access-logfile FILE"),
        ("--max-log-size", rotation),
        ("--service-script --service-user", "only the app is served: run other processes by themselves"),
        ("--include-file", "there is no Apache: put it into the proxy in front"),
        ("--log-fmt", "the form of the log's lines is fixed"),
        ("--application-close-timeout", "an app learns of a disconnect by its event, and its task is left alone"),
        ("--header --add-header", "let the app or the proxy add it"),
        ("--runtime-threads --runtime-mode --runtime-blocking-threads --task-impl", "write --workers N"),
        ("--backpressure", "write --connections N"),
        ("--cheaper", "write --workers LEAST and --max-workers MOST"),
        (
            "--eviction-timeout --cpu-time-limit --inactivity-timeout",
            "write --max-requests N or --max-worker-lifetime SECONDS"
        ),
        (
            "--static-path-mount --static-path-route --static-map --check-static --document-root --url-alias "
                + "--directory-index",
            "static files are not served: let the proxy or the app do it (whitenoise)"
        ),
        ("--application-type", "write --interface NAME"),
        ("--server-name", "each name is served; for the Server field, write --no-server-header"),
        ("--ident", "write --no-server-header"),
        ("--url-scheme", "let the proxy send X-Forwarded-Proto"),
        ("--outbuf-high-watermark", "write --spool-limit BYTES"),
        ("--async", "write --worker-class gevent"),
        ("--reload-ignore-patterns", "write --reload-exclude GLOB"),
        ("--stats --metrics-port --metrics-address --metrics-scrape-interval", "there are no metrics"),
        ("--log-format", "write --access-logformat FORMAT"),
    ]

    private static let rotation = "rotate the files with logrotate, and send USR1"
}

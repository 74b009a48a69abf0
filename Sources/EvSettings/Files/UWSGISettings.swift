// What the options of a uwsgi.ini are called here. The table is the whole translation; where an option needs more than
// a name, `UWSGITranslator` has a case for it.

package enum UWSGISettings {
    /// A line that is not taken, and why.
    package struct Note: Equatable, Sendable, CustomStringConvertible {
        /// From 1.
        package var line: Int
        /// Without the line and without a full stop.
        package var sentence: String

        package init(line: Int, _ sentence: String) {
            self.line = line
            self.sentence = sentence
        }

        package var description: String { "line \(line): \(sentence)" }
    }

    /// Returns the settings and the notes, each in the order of the file.
    package static func settings(_ lines: [UWSGIReader.Line]) -> (settings: [FileSetting], notes: [Note]) {
        var translator = UWSGITranslator()
        for line in lines { translator.take(line) }
        return translator.result()
    }

    enum Rule {
        /// The value as it is.
        case setting(String)
        /// One more item of a list.
        case item(String)
        /// One more part of a text with commas.
        case part(String)
        case flag(String)
        case other(Special)
        /// What evgateway does anyway, or what it has no need of.
        case nothing
        /// What evgateway does anyway; a note if it is switched off.
        case always(String)
        /// A note.
        case not(String)
    }

    /// What needs more than a name.
    enum Special {
        case module, callable, file, mount, paste, plugins
        case bind, socket, gatewaySocket(AddressProtocol), socketProtocol, socketMode
        case gevent, loop, cores, bufferSize, autoReload
        case cheaper, memory, affinity
        case log, daemon, disableLogging
        case condition, endOfCondition
    }

    /// Names with a star are beginnings; an exact name goes first.
    private static let table: [(names: String, rule: Rule)] = [
        // The app.
        ("module wsgi w", .other(.module)),
        ("callable", .other(.callable)),
        ("wsgi-file file", .other(.file)),
        ("mount worker-mount", .other(.mount)),
        ("paste ini-paste ini-paste-logged", .other(.paste)),
        ("chdir", .setting("chdir")),
        ("pythonpath python-path pp", .part("pythonpath")),
        ("virtualenv venv home pyhome H", .setting("python")),
        ("env", .item("raw_env")),
        ("plugins plugin need-plugins need-plugin", .other(.plugins)),
        ("py-autoreload py-auto-reload python-autoreload python-auto-reload", .other(.autoReload)),
        // Addresses.
        ("http httprouter http-socket http11-socket", .other(.bind)),
        ("socket s", .other(.socket)),
        ("uwsgi-socket", .other(.gatewaySocket(.uwsgi))),
        ("fastcgi-socket", .other(.gatewaySocket(.fastcgi))),
        ("scgi-socket", .other(.gatewaySocket(.scgi))),
        ("protocol socket-protocol", .other(.socketProtocol)),
        ("chmod-socket chmod C", .other(.socketMode)),
        ("chown-socket", .setting("socket_owner")),
        ("listen l", .setting("backlog")),
        ("reuse-port", .flag("reuse_port")),
        ("enable-proxy-protocol http-enable-proxy-protocol", .flag("proxy_protocol")),
        // Workers.
        ("processes workers p", .setting("workers")),
        ("threads", .setting("threads")),
        ("gevent", .other(.gevent)),
        ("loop", .other(.loop)),
        ("async", .other(.cores)),
        ("max-requests R", .setting("max_requests")),
        ("max-requests-delta", .setting("max_requests_jitter")),
        ("max-worker-lifetime", .setting("max_worker_lifetime")),
        ("max-worker-lifetime-delta", .setting("max_worker_lifetime_jitter")),
        ("reload-on-rss evil-reload-on-rss", .other(.memory)),
        ("cheaper", .other(.cheaper)),
        ("worker-reload-mercy", .setting("graceful_timeout")),
        ("harakiri t", .setting("request_timeout")),
        // Requests.
        ("buffer-size b", .other(.bufferSize)),
        ("limit-post", .setting("limit_request_body")),
        // The process.
        ("uid", .setting("user")),
        ("gid", .setting("group")),
        ("umask", .setting("umask")),
        ("cpu-affinity", .other(.affinity)),
        ("procname procname-prefix procname-prefix-spaced", .setting("proc_name")),
        ("pidfile pidfile2 safe-pidfile safe-pidfile2", .setting("pidfile")),
        // The logs.
        ("logto logto2", .other(.log)),
        ("daemonize daemonize2 d", .other(.daemon)),
        ("disable-logging L", .other(.disableLogging)),
        // Nothing to do.
        ("master M enable-threads T single-interpreter i strict no-orphans py-call-osafterfork", .nothing),
        ("lazy-apps lazy thunder-lock auto-procname memory-report m log-master close-on-exec close-on-exec2", .nothing),
        ("http-auto-chunked http-keepalive http-raw-body http-chunked-input so-keepalive tcp-nodelay", .nothing),
        ("gevent-monkey-patch gevent-early-monkey-patch gevent-wait-for-hub manage-script-name", .nothing),
        ("post-buffering post-buffering-bufsize harakiri-verbose offload-threads threaded-logger", .nothing),
        ("ignore-sigpipe ignore-write-errors disable-write-exception", .nothing),
        ("set set-ph set-placeholder", .nothing),
        ("need-app", .always("without an app it does not start")),
        ("die-on-term", .always("the signal TERM always stops it")),
        ("vacuum", .always("socket files and the pid file are removed at the end")),
        // Not taken.
        ("puwsgi-socket", .not("a connection of uwsgi has one request: use socket")),
        ("fastcgi-*", .not("of FastCGI, only fastcgi-socket is known")),
        ("scgi-*", .not("of SCGI, only scgi-socket is known")),
        ("https* http-to-https ssl-* suwsgi-socket sni*", .not("TLS has other settings: --certfile and --keyfile")),
        ("shared-socket undeferred-shared-socket", .not("sockets have no numbers: give the address to http-socket")),
        ("static-* static check-static* mimefile mime-file fileserve-mode file-serve-mode", .not(noStatic)),
        ("route* final-route* error-route* response-route*", .not("requests are not routed: let the proxy do it")),
        ("asyncio", .not(noAsyncio)),
        ("ugreen greenlet", .not("such engines are not there: use gevent")),
        ("cheaper-*", .not("how the number of workers follows the load is fixed: set worker_idle_timeout")),
        ("cheap idle", .not("there is always a worker")),
        ("spooler* mule* farm", .not("only web workers are run: run other processes by themselves")),
        ("cron* unique-cron", .not("there is no scheduler: use cron or a timer of systemd")),
        ("cache* queue* sharedarea", .not("there is no cache of the server: use one of the app's")),
        ("attach-daemon* attach-control-daemon smart-attach-daemon*", .not("other programs are not started")),
        ("emperor* vassal*", .not("one app is served: start one evgateway for each")),
        ("hook-* exec-* call-*", .not("commands are not run")),
        ("import shared-import pyimport py-import", .not("let the app import it")),
        ("stats*", .not("statistics are not served")),
        ("touch-* fs-reload fs-brutal-reload", .not("files are not watched: send HUP to reload")),
        ("reload-on-as evil-reload-on-as", .not("the size of the address space does not count: use reload-on-rss")),
        ("reload-mercy", .not("use worker-reload-mercy")),
        ("log-format logformat log-format-* logformat-*", .not("set access_log_format, in gunicorn's words")),
        ("req-logger logger-req", .not("requests are logged to a file or standard output: set accesslog")),
        ("logger log-syslog log-socket", .not("use logto, or the option --log-syslog")),
        ("log-date logdate log-prefix", .not("the form of the log's lines is fixed")),
        ("procname-master procname-append", .not("the titles of the processes have one part to choose: use procname")),
        ("chroot", .not("use RootDirectory= of systemd, or a container")),
        ("ini include inherit config json yaml yml xml", .not("other files are not read")),
        // Lines between `if-…` or `for` and their end.
        ("if-* ifenv ifexists ifplugin ifdir for for-*", .other(.condition)),
        ("end endif end-if endfor end-for", .other(.endOfCondition)),
    ]

    static let noAsyncio = "uWSGI's asyncio engine serves generators of WSGI apps: use gevent"
    private static let noStatic = "static files are not served: let the proxy in front serve them"

    /// The rule of an option, nil if there is none. `_` counts as `-`.
    static func rule(_ key: String) -> Rule? {
        let name = String(key.map { $0 == "_" ? "-" : $0 })
        return exact[name] ?? beginnings.first { name.hasPrefix($0.name) }?.rule
    }

    private static let rows = table.flatMap { row in row.names.split(separator: " ").map { (String($0), row.rule) } }
    private static let exact = Dictionary(uniqueKeysWithValues: rows.filter { !$0.0.hasSuffix("*") })
    private static let beginnings: [(name: String, rule: Rule)] =
        rows.filter { $0.0.hasSuffix("*") }.map { (String($0.0.dropLast()), $0.1) }
}

import EvSettings
import Testing

@Suite struct UWSGISettingsFileTests {
    private func translated(_ text: String) throws -> (settings: [FileSetting], notes: [UWSGISettings.Note]) {
        UWSGISettings.settings(try UWSGIReader.read("[uwsgi]\n" + text, folder: "/srv", file: "a.ini") { _ in nil })
    }

    /// The settings as `name=value`, without what is there when the file says nothing of a log or of threads.
    private func settings(_ text: String) throws -> [String] {
        try translated(text).settings.map { "\($0.name)=\(shown($0.value))" }
            .filter { !["accesslog=-", "worker_class=sync"].contains($0) }
    }

    private func notes(_ text: String) throws -> [String] { try translated(text).notes.map(\.description) }

    private func shown(_ value: SettingValue) -> String {
        switch value {
        case .text(let text): text
        case .boolean(let flag): "\(flag)"
        case .list(let items): "[\(items.map(shown).joined(separator: " "))]"
        default: "\(value)"
        }
    }

    @Test func aWholeFile() throws {
        let text = """
            base = /srv/shop
            chdir = %(base)
            module = shop.wsgi
            master = true
            processes = 4
            http-socket = :8000
            vacuum = true
            logto = /var/log/shop.log
            static-map = /static=%(base)/static
            """
        let (settings, notes) = try translated(text)
        #expect(
            settings == [
                FileSetting("chdir", .text("/srv/shop"), line: 3),
                FileSetting("wsgi_app", .text("shop.wsgi:application"), line: 4),
                FileSetting("workers", .text("4"), line: 6), FileSetting("bind", .list([.text(":8000")]), line: 7),
                FileSetting("accesslog", .text("/var/log/shop.log"), line: 9),
                FileSetting("errorlog", .text("/var/log/shop.log"), line: 9),
                FileSetting("worker_class", .text("sync")),
            ])
        let sentence = "static-map: static files are not served: let the proxy in front serve them"
        #expect(notes == [UWSGISettings.Note(line: 10, sentence)])
    }

    // MARK: The app

    @Test(arguments: [
        ("module = shop:app", ["wsgi_app=shop:app"]), ("wsgi = shop", ["wsgi_app=shop:application"]),
        ("w = a\ncallable = b", ["wsgi_app=a:b"]), ("callable = b()\nmodule = a.c", ["wsgi_app=a.c:b()"]),
        ("module = a:x\ncallable = b", ["wsgi_app=a:x"]), ("module = a\nmodule = b", ["wsgi_app=b:application"]),
        ("wsgi-file = /srv/a.py", ["wsgi_app=/srv/a.py:application"]), ("file = a.py\ncallable=b", ["wsgi_app=a.py:b"]),
        ("mount = /shop=a:b", ["root_path=/shop", "wsgi_app=a:b"]), ("mount = /=a:b", ["wsgi_app=a:b"]),
        ("mount = /x/y/=/srv/a.py\ncallable = b", ["root_path=/x/y", "wsgi_app=/srv/a.py:b"]),
        ("mount = /x=a\nmanage-script-name = true", ["root_path=/x", "wsgi_app=a:application"]),
        ("paste = config:/srv/a.ini", ["paste=/srv/a.ini"]), ("ini-paste = a.ini", ["paste=a.ini"]),
    ])
    func theAppIsNamed(_ text: String, _ settings: [String]) throws {
        #expect(try self.settings(text) == settings)
        #expect(try notes(text) == [])
    }

    @Test(arguments: [
        ("module = a\nmount = /x=b", "line 3: mount: one app is served, the one of line 2"),
        ("mount = /x=a\nmount = /y=b", "line 3: mount: one app is served, the one of line 2"),
        ("file = a.py\nmodule = a", "line 2: file: one app is served, the one of line 3"),
        ("callable = a", "line 2: callable: there is no module or wsgi-file to which it belongs"),
        ("mount = a.py", "line 2: mount: expected /PREFIX=APP"),
        ("mount = h/x=a", "line 2: mount: expected /PREFIX=APP"),
        ("mount = /x=", "line 2: mount: expected /PREFIX=APP"),
        ("wsgi-file = a.wsgi", "line 2: wsgi-file: the name of the file must end with .py"),
        ("mount = /x=/srv/a.wsgi", "line 2: mount: the name of the file must end with .py"),
    ])
    func otherAppsAreRefused(_ text: String, _ note: String) throws {
        #expect(try notes(text) == [note])
    }

    // MARK: Addresses

    @Test(arguments: [
        ("http = :80\nhttp-socket = 127.0.0.1:81\nhttp11-socket = [::1]:82", ["bind=[:80 127.0.0.1:81 [::1]:82]"]),
        (
            "http-socket = /run/a.sock\nhttp = @a\nhttp=*:80\nhttp=fd://3",
            ["bind=[unix:/run/a.sock unix:@a :80 fd://3]"]
        ),
        ("socket = :80\nprotocol = http\ns = a.sock", ["bind=[:80 unix:a.sock]"]),
        ("socket-protocol = http11\nsocket = :80", ["bind=[:80]"]),
        ("socket = :80\nhttp-socket = :81\ns = a.sock", ["bind=[:81 uwsgi://:80 uwsgi://unix:a.sock]"]),
        (
            "uwsgi-socket = :80\nfastcgi-socket = *:81\nscgi-socket = @a",
            ["bind=[uwsgi://:80 fastcgi://:81 scgi://unix:@a]"]
        ),
        ("socket = :80\nprotocol = fastcgi\nuwsgi-socket = :81", ["bind=[uwsgi://:81 fastcgi://:80]"]),
        ("protocol = scgi", []),
        ("chmod-socket = 660", ["socket_mode=660"]), ("chmod-socket", ["socket_mode=666"]),
        ("chmod-socket = true", ["socket_mode=666"]), ("chmod_socket = 1", ["socket_mode=666"]),
    ])
    func addresses(_ text: String, _ settings: [String]) throws {
        #expect(try self.settings(text) == settings)
        #expect(try notes(text) == [])
    }

    @Test(arguments: [
        ("puwsgi-socket = :80", "puwsgi-socket: a connection of uwsgi has one request: use socket"),
        ("fastcgi-nph-socket = :80", "fastcgi-nph-socket: of FastCGI, only fastcgi-socket is known"),
        ("scgi-modifier1 = 1", "scgi-modifier1: of SCGI, only scgi-socket is known"),
        ("protocol = raw", "protocol: choose http, uwsgi, fastcgi or scgi"),
        ("http-socket = =0", "http-socket: sockets have no numbers: give the address to http-socket or to socket"),
        ("socket = =0", "socket: sockets have no numbers: give the address to http-socket or to socket"),
        ("chmod-socket = 9", "chmod-socket: the mode has three octal digits, as 660"),
    ])
    func otherProtocolsAreRefused(_ text: String, _ note: String) throws {
        #expect(try settings(text) == [])
        #expect(try notes(text) == ["line 2: " + note])
    }

    // MARK: The rest

    @Test(arguments: [
        ("workers = 2\nprocesses = 3\nthreads = 4", ["workers=3", "threads=4"]),
        ("gevent = 100\ngevent-monkey-patch", ["worker_class=gevent", "worker_connections=100"]),
        ("loop = gevent\nasync = 50", ["worker_class=gevent", "worker_connections=50"]),
        ("max_requests = 5\nmax-requests-delta = 2", ["max_requests=5", "max_requests_jitter=2"]),
        (
            "max-worker-lifetime = 60\nmax-worker-lifetime-delta = 6",
            ["max_worker_lifetime=60", "max_worker_lifetime_jitter=6"]
        ),
        ("reload-on-rss = 200", ["max_worker_rss=200M"]),
        ("processes = 8\ncheaper = 2", ["workers_max=8", "workers=2"]),
        ("cheaper = 2\nworkers = 8", ["workers=2", "workers_max=8"]),
        ("harakiri = 30\nworker-reload-mercy = 9", ["request_timeout=30", "graceful_timeout=9"]),
        ("pp = a\nchdir = c\npythonpath = b\npython-path = d", ["pythonpath=a,b,d", "chdir=c"]),
        ("venv = a\nhome = b", ["python=b"]),
        ("uid = www\ngid = web\numask = 022", ["user=www", "group=web", "umask=022"]),
        ("safe-pidfile = /run/a", ["pidfile=/run/a"]), ("env = A=1\nenv = B=2 3", ["raw_env=[A=1 B=2 3]"]),
        ("listen = 9\nreuse-port\nlimit-post = 7", ["backlog=9", "reuse_port=true", "limit_request_body=7"]),
        ("reuse-port = off", ["reuse_port=false"]), ("enable-proxy-protocol = true", ["proxy_protocol=true"]),
        ("py-autoreload = 1", ["reload=true"]),
        ("py-autoreload = 0", ["reload=false"]),
        ("buffer-size = 32768", ["limit_request_field_size=32768", "limit_request_line=32768"]),
        ("b = 4094", []),
        ("plugins = python3, http", []),
        ("master\nlazy-apps=1\nstrict = true\nneed-app\ndie-on-term = YES\nvacuum=1", []),
        ("logto2 = a", ["accesslog=a", "errorlog=a"]),
        ("logto = a\ndisable-logging", ["errorlog=a", "accesslog=nothing"]),
        ("disable-logging = 1\ndisable-logging = false", []),
        ("daemonize = a", ["accesslog=a", "daemon=true", "errorlog=a"]),
        ("chmod-socket = 660\nchown-socket = www:web", ["socket_mode=660", "socket_owner=www:web"]),
        ("cpu-affinity = 1\nprocname-prefix = shop", ["cpu_affinity=auto", "proc_name=shop"]),
    ])
    func optionsHaveTheirSetting(_ text: String, _ settings: [String]) throws {
        #expect(try self.settings(text) == settings)
        #expect(try notes(text) == [])
    }

    @Test func requestsAreLoggedUnlessTheFileSaysNo() throws {
        #expect(try translated("").settings.first == FileSetting("accesslog", .text("-")))
        #expect(try translated("L = on").settings.first == FileSetting("accesslog", .none, line: 2))
    }

    @Test(arguments: [
        ("die-on-term = false", "die-on-term: the signal TERM always stops it"),
        ("need-app = no", "need-app: without an app it does not start"),
        ("vacuum = 0", "vacuum: socket files and the pid file are removed at the end"),
        ("asyncio = 10", "asyncio: uWSGI's asyncio engine serves generators of WSGI apps: use gevent"),
        ("loop = asyncio", "loop: uWSGI's asyncio engine serves generators of WSGI apps: use gevent"),
        ("async = 5", "async: such engines are not there: use gevent"),
        ("loop = x", "loop: there is no such engine: use gevent"),
        ("plugins = python3,lua,x", "plugins: plugins of uWSGI are not loaded: lua, x"),
        ("cpu-affinity = 2", "cpu-affinity: workers have one processor each: use 1"),
        ("buffer-size = 64k", "buffer-size: expected a number of bytes"),
        (
            "cheaper-step = 1",
            "cheaper-step: how the number of workers follows the load is fixed: set worker_idle_timeout"
        ),
        ("cheaper = 1", "cheaper: expected a number that is less than processes"),
        ("reload-on-rss = 1G", "reload-on-rss: expected a number of megabytes"),
        ("touch-reload = a", "touch-reload: files are not watched: send HUP to reload"),
        ("colour = red", "unknown option 'colour' of uWSGI is not taken"),
    ])
    func linesThatAreNotTaken(_ text: String, _ note: String) throws {
        #expect(try settings(text) == [])
        #expect(try notes(text) == ["line 2: " + note])
    }

    @Test(
        arguments: """
            chroot static-map static-index check_static cheap cheaper-initial spooler mule mules cron
            cron2 cache2 attach-daemon emperor vassals-cap stats log-format logformat req-logger logger
            procname-master https ssl-socket https-socket fastcgi-nph-socket scgi-nph-socket reload-on-as
            evil-reload-on-as route-uri hook-asap ini shared-socket touch_reload reload-mercy
            """.split { $0 == " " || $0 == "\n" }.map(String.init))
    func optionsThatAreRefusedAreKnown(_ name: String) throws {
        #expect(try settings("\(name) = 1") == [])
        let notes = try notes("\(name) = 1")
        #expect(notes.count == 1)
        #expect(notes.allSatisfy { $0.hasPrefix("line 2: \(name): ") })
    }

    @Test func linesOfAConditionAreNotTaken() throws {
        let text =
            "if-env = PROD\nworkers = 9\nx = 1\nendif =\nthreads = 2\nfor = a b\nenv = %(_)=1\nendfor\nthreads = 3"
        #expect(try settings(text) == ["threads=3"])
        let reason = "conditions and loops are not followed: the lines up to its end are not taken"
        #expect(try notes(text) == ["line 2: if-env: \(reason)", "line 7: for: \(reason)"])
    }
}

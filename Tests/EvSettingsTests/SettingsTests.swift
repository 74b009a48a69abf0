import EvLoop
import EvSettings
import Testing

/// The settings that assignments from two places give.
private func settings(
    _ words: [String] = [], file: [FileSetting] = [], environment: [String: String] = [:]
) throws
    -> Settings
{
    var settings = Settings()
    try settings.apply(environment: { environment[$0] })
    try settings.apply(Assignment.all(of: file, in: "gunicorn.conf.py"), from: .file("gunicorn.conf.py"))
    try settings.apply(CommandLine(words).assignments, from: .commandLine)
    try settings.finish()
    return settings
}

private func failure(_ words: [String] = [], file: [FileSetting] = [], environment: [String: String] = [:]) -> String {
    do {
        _ = try settings(words, file: file, environment: environment)
        return ""
    } catch {
        return "\(error)"
    }
}

@Suite struct SettingsTests {
    @Test func laterSourceWinsAndOriginsAreKept() throws {
        let all = try settings(
            ["-t", "4"], file: [FileSetting("workers", .integer(3), line: 2), FileSetting("timeout", .integer(5))],
            environment: ["WEB_CONCURRENCY": "2", "EVGATEWAY_KEEPALIVE": "6", "EVGATEWAY_BIND": "a:1,b:2"])
        #expect(all.configuration.workers == 3 && all.origin(of: "workers") == .file("gunicorn.conf.py"))
        #expect(all.configuration.timeout == 4 && all.origin(of: "timeout") == .commandLine)
        #expect(
            all.configuration.keepAliveTimeout == 6 && all.origin(of: "keepalive") == .variable("EVGATEWAY_KEEPALIVE"))
        #expect(all.configuration.binds.map(\.text) == ["a:1", "b:2"])
        #expect(all.origin(of: "backlog") == .standard)
    }

    @Test func nothingInAFileIsTheDefault() throws {
        let all = try settings(file: [FileSetting("accesslog", .none), FileSetting("workers", .none)])
        #expect(all.configuration.accessLogFile == nil && all.configuration.workers == 1)
    }

    @Test(
        arguments: [
            (["--host", "0.0.0.0", "--port", "80"], "0.0.0.0:80"), (["--port", "80"], "127.0.0.1:80"),
            (["--host", "::1"], "[::1]:8000"), (["--uds", "/run/a.sock"], "unix:/run/a.sock"),
            (["--fd", "3"], "fd://3"),
            (["--listen", "*:8080"], "0.0.0.0:8080"), (["--http", ":81"], "0.0.0.0:81"),
            (["--http", "h11"], "127.0.0.1:8000"),
        ] as [([String], String)])
    func addressIsSpelledAsOtherServersDo(_ words: [String], _ expected: String) throws {
        #expect(try settings(words).configuration.binds.map(\.text) == [expected])
    }

    @Test(
        arguments: [
            ("0", 0), ("1048576", 1 << 20), ("1024K", 1 << 20), ("3m", 3 << 20), ("2G", 2 << 30), ("7MiB", 7 << 20),
            ("5b", 5),
        ] as [(String, Int)])
    func sizesHaveUnits(_ text: String, _ bytes: Int) throws {
        #expect(try settings(["--max-worker-rss", text]).configuration.maxWorkerRSS == bytes)
        let file = [FileSetting("max_worker_rss", .integer(bytes))]
        #expect(try settings(file: file).configuration.maxWorkerRSS == bytes)
    }

    @Test(arguments: ["", "M", "1X", "1.5M", "-1", "99999999999999G", "1 M"])
    func sizesThatAreNone(_ text: String) {
        #expect(failure(["--max-worker-rss", text]).hasPrefix("--max-worker-rss: "))
    }

    @Test("A path for health is one", arguments: ["healthz", "/a?b", "", "/a b"])
    func healthPathsThatAreNone(_ text: String) {
        #expect(failure(["--health-path", text]).hasPrefix("--health-path: "))
    }

    @Test(
        arguments: [
            ([], true), (["--ws-per-message-deflate"], true), (["--ws-per-message-deflate", "false"], false),
            (["--ws-per-message-deflate=off"], false), (["--no-ws-per-message-deflate"], false),
            (["--ws-per-message-deflate", "--reload"], true),
        ] as [([String], Bool)])
    func toggleMayHaveAWord(_ words: [String], _ isOn: Bool) throws {
        #expect(try settings(words).configuration.webSocketIsCompressed == isOn)
    }

    @Test func optionsOfOtherServersAreUnderstood() throws {
        let uwsgi = try settings(["--gevent", "100", "--post-buffering", "1", "--harakiri", "20"]).configuration
        #expect(uwsgi.workerClass == .gevent && uwsgi.connections == 100 && uwsgi.requestTimeout == 20)
        #expect(uwsgi.binds.map(\.text) == ["127.0.0.1:8000"])
        let granian = try settings(["--http1-header-read-timeout", "2500", "--no-http1-keep-alive"]).configuration
        #expect(granian.headerTimeout == 2.5 && granian.keepAliveTimeout == 0)
        #expect(try settings(["--ws", "--mount-point", "/a"]).configuration.rootPath == "/a")
        #expect(try settings(["--ws", "wsproto", "--no-ws"]).configuration.webSocket == .none)
        let limits = try settings(["--workers-lifetime", "1h30m5s", "--workers-max-rss", "512", "--rss-samples", "3"])
        #expect(limits.configuration.maxWorkerLifetime == 5405 && limits.configuration.maxWorkerRSS == 512 << 20)
        #expect(try settings(["--timeout-worker-healthcheck", "5"]).configuration.timeout == 5)
        #expect(try settings(["--request-queue-size", "5"]).configuration.backlog == 5)
        #expect(try settings(["-l", "100", "-C", "664", "-L"]).configuration.socketMode == 0o664)
        #expect(try !settings(["--no-server-name"]).configuration.sendsServerHeader)
    }

    @Test(
        arguments: [
            (["--gevent", "many"], "--gevent: 'many' is not a whole number of 1 or more"),
            (
                ["-w", "hello:app"],
                "-w: 'hello:app' is no number of workers: uWSGI's -w is APP here, so write hello:app alone"
            ),
            (["-whello"], "-w: 'hello' is no number of workers: uWSGI's -w is APP here, so write hello alone"),
            (["-m", "hello:app"], "-m: 'hello:app' is no mode: uWSGI's -m, a report of memory, is left out here"),
            (["-R", "5000", "hello:app"], "-R: for uWSGI's -R, write --max-requests 5000"),
            (["-u", "/run/d.sock"], "-u: '/run/d.sock' is no user: for daphne's -u, write --bind unix:/run/d.sock"),
            (
                ["-e", "ssl:443:privateKey=key.pem", "hello:app"],
                "-e: 'ssl:443:privateKey=key.pem' is no variable: for daphne's -e, write --bind HOST:PORT, unix:PATH "
                    + "or fd://NUMBER"
            ),
            (
                ["--endpoint", "tcp:8000"],
                "unknown option '--endpoint': write --bind HOST:PORT, unix:PATH or fd://NUMBER"
            ),
            (
                ["uwsgi.ini"],
                "'uwsgi.ini' is no app: write --ini uwsgi.ini for a file of uWSGI's, --paste uwsgi.ini for "
                    + "PasteDeploy's"
            ),
            (["./shop.toml"], "'./shop.toml' is no app: write --config ./shop.toml"),
            (
                ["-x", "shop.xml"],
                "unknown option '-x': of uWSGI's files, those that end with .ini are read: write --ini FILE"
            ),
            (
                ["shop.yml"],
                "'shop.yml' is no app: of uWSGI's files, those that end with .ini are read: write --ini FILE"
            ),
            (["-w", "0"], "--workers: '0' is not a whole number of 1 or more"),
            (
                ["-k", "uvloop"],
                "--worker-class: 'uvloop' is not available: use asgi, and --asgi-loop uvloop"
            ),
            (
                ["--cron", "1"],
                "unknown option '--cron': there is no scheduler: use cron or a timer of systemd"
            ),
            (
                ["--http1-header-read-timeout", "2s"],
                "--http1-header-read-timeout: '2s' is not a number of milliseconds"
            ),
            (["start-server", "wsgi.py"], "leave 'start-server' out: APP is 'wsgi.py'"),
            (
                ["--chroot", "/srv"],
                "unknown option '--chroot': the server needs /proc and the app its interpreter, so use RootDirectory= "
                    + "of systemd, or a container"
            ),
        ] as [([String], String)])
    func whatOtherServersHaveAndThisHasNotIsExplained(_ words: [String], _ expected: String) {
        #expect(failure(words) == expected)
    }

    @Test func hostAndPortAreWholeOrNothing() throws {
        let file = [FileSetting("bind", .text("a:1"))]
        #expect(try settings(["--port", "2"], file: file).configuration.binds.map(\.text) == ["127.0.0.1:2"])
        let parts = [FileSetting("port", .integer(7))]
        #expect(try settings(["-b", "a:1"], file: parts).configuration.binds.map(\.text) == ["a:1"])
        #expect(failure(["-b", "a:1", "--port", "2"]) == "--bind: give either this or host and port")
        #expect(failure(["-b", "127.0.0.1:2", "--port", "2"]) == "")
    }

    @Test(
        arguments: [
            (FileSetting("workers", .text("two"), line: 3), ":3: workers: 'two' is not a whole number of 1 or more"),
            (FileSetting("workers", .integer(0)), ": workers: '0' is not a whole number of 1 or more"),
            (FileSetting("preload_app", .text("maybe")), ": preload_app: 'maybe' is neither true nor false"),
            (
                FileSetting("bind", .integer(8000), line: 1),
                ":1: bind: Cannot listen on 8000: a port alone is written :8000"
            ),
            (FileSetting("timeout", .list([])), ": timeout: a list is not a number of seconds"),
            (FileSetting("wrokers", .integer(2), line: 9), ":9: no setting 'wrokers'; did you mean 'workers'?"),
            (FileSetting("access-logfile", .text("-")), ": no setting 'access_logfile': it is called 'accesslog'"),
            (FileSetting("harakiri", .integer(5)), ": no setting 'harakiri': it is called 'request_timeout'"),
            (FileSetting("keyfile", .text("a.pem")), ": keyfile: needs --certfile"),
            (FileSetting("raw_env", .list([.text("A")])), ": raw_env: 'A' is not of the form NAME=value"),
        ])
    func errorNamesFileLineAndSetting(_ setting: FileSetting, _ end: String) {
        #expect(failure(file: [setting]) == "gunicorn.conf.py\(end)")
    }

    @Test func whatHasNoEffectIsSaidUnlessItIsTheCaseAnyway() throws {
        let all = try settings(
            ["--worker-tmp-dir", "/dev/shm"],
            file: [
                FileSetting("reload", .boolean(false)), FileSetting("keyfile", .none),
                FileSetting("spew", .boolean(true)),
            ])
        #expect(
            all.notes == [
                "--worker-tmp-dir has no effect: heartbeats are in shared memory and need no file",
                "gunicorn.conf.py: spew has no effect: lines are not traced: use python -m trace",
            ])
    }

    @Test func laterSourceTakesBackWhatIsRefused() throws {
        let file = [FileSetting("cert_reqs", .integer(1))]
        #expect(failure(file: file).hasPrefix("gunicorn.conf.py: cert_reqs: "))
        #expect(failure(["--cert-reqs", "0"], file: file).isEmpty)
    }

    @Test func printedConfigurationIsReadBack() throws {
        let all = try settings([
            "-b", "[::1]:81", "-b", "unix:/a b", "-k", "gthread", "-e", #"A=x"\y"#, "-e", "B=\u{1}", "-t", "2.5",
            "--umask",
            "027",
        ])
        let printed = try TOMLReader.read(ConfigurationText.text(all))
        var again = Settings()
        try again.apply(Assignment.all(of: printed, in: "f.toml"), from: .file("f.toml"))
        #expect(again.values == all.values)
    }

    @Test func beginningOfAnOptionIsEnough() throws {
        #expect(try settings(["--access-logfi", "a"]).configuration.accessLogFile == "a")
    }

    @Test func shortSwitchesCanBeJoined() throws {
        #expect(try settings(["-Rw3"]).configuration.workers == 3)
    }
}

@Suite struct TableTests {
    @Test func everyRowIsDocumentedAndUnique() {
        let flags = Setting.all.flatMap { $0.flags + $0.offFlags }
        #expect(Set(flags).count == flags.count)
        for setting in Setting.all {
            #expect(setting.help.hasSuffix("."), "\(setting.name)")
            #expect(setting.help.utf8.count < 160, "\(setting.name)")
            #expect(setting.name == setting.name.lowercased().underscored)
            #expect(setting.kind.shape == .toggle || !setting.placeholder.isEmpty || setting.flags.isEmpty)
        }
    }

    /// What `show` gives, `set` takes.
    @Test func defaultOfEveryRowIsAValueOfIt() throws {
        for setting in Setting.all where setting.isServed {
            var configuration = GatewayConfiguration()
            let standard = setting.kind.show(configuration)
            guard standard != .none, standard != .list([]) else { continue }
            try setting.kind.set(&configuration, standard)
            #expect(setting.kind.show(configuration) == standard, "\(setting.name)")
        }
    }

    @Test func everyServedSettingIsInEveryText() {
        let overview = Help.text(topic: "")
        let texts = Generated.names.compactMap { Generated.text($0, version: "1") }
        #expect(texts.count == 5)
        for setting in Setting.all where setting.isServed {
            for flag in setting.flags where flag.hasPrefix("--") {
                #expect(texts[0].contains(flag) && texts[1].contains(flag), "\(flag)")
                #expect(texts[2].contains("-l \(flag.dropFirst(2)) "), "\(flag)")
            }
            #expect(texts[4].contains("### \(setting.name)\n"))
            if let first = setting.flags.first { #expect(overview.contains(first) || overview.contains("--[no-]")) }
        }
    }

    @Test(arguments: ["logging", "python", "limits", "keep-alive", "keepalive"])
    func helpAboutATopicFindsSomething(_ topic: String) {
        #expect(Help.text(topic: topic).contains("In files: "))
    }

    @Test func helpAboutNothingSaysWhatThereIs() {
        #expect(Help.text(topic: "zebra").contains("Groups: binding, "))
    }
}

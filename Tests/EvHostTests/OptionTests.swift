import EvHost
import EvLoop
import EvSettings
import Testing

@Suite struct OptionTests {
    @Test func defaultsAreGunicornsButForKeepAlive() throws {
        let configuration = try configuration(["app"])
        #expect(configuration.application == "app")
        #expect(configuration.applicationArguments.isEmpty)
        #expect(configuration.binds == [.tcp(host: "127.0.0.1", port: 8000)])
        #expect(configuration.workers == 1 && configuration.connections == 1000)
        #expect(configuration.workerClass == .auto)
        #expect(configuration.timeout == 30 && configuration.gracefulTimeout == 30)
        #expect(configuration.requestTimeout == 0)
        #expect(configuration.keepAliveTimeout == 75)
        #expect(configuration.headerTimeout == 15 && configuration.bodyTimeout == 15)
        #expect(configuration.bodyMinimumRate == 500)
        #expect(configuration.writeTimeout == 60 && configuration.halfCloseGrace == 0.5)
        #expect(configuration.backlog == 2048)
        #expect(configuration.maxRequests == 0 && configuration.maxRequestsJitter == 0)
        #expect(configuration.requestLineLimit == 4094 && configuration.requestFieldsLimit == 100)
        #expect(configuration.requestFieldSizeLimit == 8190 && configuration.requestBodyLimit == 0)
        #expect(configuration.spoolLimit == 268_435_456)
        #expect(configuration.accessLogFile == nil && configuration.errorLogFile == "-")
        #expect(configuration.logLevel == .info)
        #expect(configuration.sendsServerHeader && !configuration.preload && !configuration.reusePort)
    }

    @Test(arguments: [
        ["-w", "4", "app"], ["-w4", "app"], ["--workers", "4", "app"], ["--workers=4", "app"], ["app", "-w", "4"],
    ])
    func optionIsReadInEverySpelling(_ words: [String]) throws {
        let configuration = try configuration(words)
        #expect(configuration.workers == 4)
        #expect(configuration.application == "app")
    }

    @Test func namesThatDifferFromTheirNeighboursAreRead() throws {
        let configuration = try configuration([
            "--worker-connections", "7", "--limit-request-field_size", "11", "--log-file", "e.log",
            "--access-logfile", "-", "-p", "pid", "-k", "inline", "-t", "2.5", "--no-server-header", "app",
        ])
        #expect(configuration.connections == 7)
        #expect(configuration.requestFieldSizeLimit == 11)
        #expect(configuration.errorLogFile == "e.log")
        #expect(configuration.accessLogFile == "-")
        #expect(configuration.pidFile == "pid")
        #expect(configuration.workerClass == .inline)
        #expect(configuration.timeout == 2.5)
        #expect(!configuration.sendsServerHeader)
        #expect(
            try EvHostTests.configuration(["--limit-request-field-size", "11", "a"]).requestFieldSizeLimit == 11)
    }

    @Test func bindIsRepeatable() throws {
        let configuration = try configuration(["-b", ":81", "--bind", "unix:/run/x.sock", "--bind=[::1]:82", "app"])
        #expect(configuration.binds.count == 3)
        #expect(configuration.binds[1] == .unix(path: "/run/x.sock"))
        #expect(configuration.binds[2] == .tcp(host: "::1", port: 82))
    }

    @Test func wordsAfterTheDashesAreTheApps() throws {
        let configuration = try configuration(["app", "-w", "2", "--", "-w", "3", "--bind", "x"])
        #expect(configuration.workers == 2)
        #expect(configuration.applicationArguments == ["-w", "3", "--bind", "x"])
    }

    @Test func pythonPathIsAListWithCommas() throws {
        #expect(try configuration(["--pythonpath", "a,b/c,,/d", "app"]).pythonPath == ["a", "b/c", "/d"])
    }

    @Test func environmentGivesDefaultsAndTheCommandLineWins() throws {
        let environment = ["WEB_CONCURRENCY": "3", "PORT": "5000", "TMPDIR": "/fast", "TEMP": "", "TMP": "/tmp"]
        let plain = try configuration(["app"], environment: environment)
        #expect(plain.workers == 3)
        #expect(plain.binds == [.tcp(host: "0.0.0.0", port: 5000)])
        let overridden = try configuration(["-w", "2", "-b", "127.0.0.1:9", "app"], environment: environment)
        #expect(overridden.workers == 2)
        #expect(overridden.binds == [.tcp(host: "127.0.0.1", port: 9)])
        let empty = try configuration(["app"], environment: ["WEB_CONCURRENCY": "", "PORT": ""])
        #expect(empty.workers == 1)
        #expect(empty.binds == [.tcp(host: "127.0.0.1", port: 8000)])
    }

    @Test func wrongEnvironmentIsNamed() {
        #expect(failure(["app"], environment: ["PORT": "http"]) == "PORT: 'http' is not a whole number of 0 or more")
        #expect(failure(["app"], environment: ["PORT": "70000"]) == "PORT: '70000' is more than 65535")
        #expect(failure(["app"], environment: ["WEB_CONCURRENCY": "0"]).hasPrefix("WEB_CONCURRENCY: '0'"))
    }

    @Test(arguments: [
        (["--workers", "0"], "--workers: '0' is not a whole number of 1 or more"),
        (["--workers", "-1"], "--workers: '-1' is not a whole number of 1 or more"),
        (["--workers", "two"], "--workers: 'two' is not a whole number of 1 or more"),
        (["-w", "9999"], "--workers: '9999' is more than 1024"),
        (["-w", "99999999999999999999"], "--workers: '99999999999999999999' is more than 1024"),
        (["--connections", ""], "--connections: '' is not a whole number of 1 or more"),
        (["--timeout", "-3"], "--timeout: '-3' is not a number of seconds of 0 or more"),
        (["--timeout", "nan"], "--timeout: 'nan' is not a number of seconds of 0 or more"),
        (["--keep-alive", "1e5"], "--keep-alive: '1e5' is not a number of seconds of 0 or more"),
        (["--limit-request-body", "-1"], "--limit-request-body: '-1' is not a whole number of 0 or more"),
        (["--limit-request-line", "70000"], "--limit-request-line: '70000' is more than 65536"),
        (
            ["--log-level", "loud"],
            "--log-level: 'loud' is unknown: choose debug, info, warning, error or critical"
        ),
        (
            ["-k", "sink"],
            "--worker-class: 'sink' is not a worker class: choose auto, inline, threads, gevent, asgi or swift"
        ),
        (["--request-timeout", "-1"], "--request-timeout: '-1' is not a number of seconds of 0 or more"),
        (["--chdir", ""], "--chdir: the value is empty"),
        (["--access-logformat", "%(h"], "--access-logformat: the '%' at column 1 does not begin '%(name)s'"),
    ])
    func wrongValueIsOneLine(_ words: [String], _ expected: String) {
        #expect(failure(words + ["app"]) == expected)
    }

    @Test(arguments: [
        ["--no-such-option", "app"], ["app", "--workers"], ["app", "second"], ["--preload=yes", "app"],
        ["--chdir", "--preload", "app"], ["--generate"],
    ])
    func commandLineThatCannotBeReadIsOneLine(_ words: [String]) {
        let line = failure(words)
        #expect(!line.isEmpty && !line.contains("\n"))
    }

    @Test(arguments: [
        (["--mount", "x=y"], "--mount: 'x=y' is not of the form /PREFIX=APP"),
        (["--mount", "/x=y", "--mount", "/z=y"], "--mount: one app is served: start one evgateway for each"),
        (["--listen", "100"], "--listen: '100' is no address; write --bind :100 or --backlog 100"),
        (["-p", "8000"], "--pid: '8000' is no name of a file; write --port 8000 or --workers 8000"),
        (["--bidn", "x"], "unknown option '--bidn'; did you mean '--bind'?"),
        (["--keepalive", "2"], "unknown option '--keepalive'; did you mean '--keep-alive'?"),
        (
            ["--worker", "2"],
            "option '--worker' is not whole: it may be --worker-class, --worker-connections, --worker-idle-timeout, "
                + "--worker-tmp-dir or --workers"
        ),
        (["--zzz"], "unknown option '--zzz'"),
        (["-x"], "unknown option '-x': of uWSGI's files, those that end with .ini are read: write --ini FILE"),
        (["-w", "mod:app"], "-w: 'mod:app' is no number of workers: uWSGI's -w is APP here, so write mod:app alone"),
        (["--keyfile", "a.pem"], "--keyfile: needs --certfile"),
    ])
    func wrongOptionIsAnsweredWithWhatToWrite(_ words: [String], _ expected: String) {
        #expect(failure(words + ["app"]) == expected)
    }

    @Test func badAddressNamesTheOption() {
        #expect(failure(["--bind", "127.0.0.1:99999", "app"]).hasPrefix("--bind: "))
    }

    @Test func indexOfAppIsKnown() throws {
        #expect(try CommandLine(["-w", "2", "app", "--preload"]).applicationIndex == 2)
        #expect(try CommandLine(["--chdir", "app", "app"]).applicationIndex == 2)
        #expect(try CommandLine(["--preload", "--", "app"]).applicationIndex == nil)
    }
}

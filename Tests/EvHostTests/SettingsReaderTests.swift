import EvHost
import EvSettings
import Testing

@Suite struct SettingsReaderTests {
    private let folder = TemporaryFolder()

    private func reader(_ words: [String], _ environment: [String: String] = [:]) throws -> SettingsReader {
        try SettingsReader(arguments: words, startFolder: folder.path, environment: { environment[$0] })
    }

    private func failure(_ words: [String], _ environment: [String: String] = [:]) -> String {
        do {
            _ = try reader(words, environment).read(looksForUsual: false, python: nil)
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test func laterSourceWins() throws {
        folder.file("a.toml", "workers = 3\ntimeout = 3\nkeepalive = 3\nbacklog = 3\n")
        let environment = [
            "WEB_CONCURRENCY": "2", "EVGATEWAY_MAX_REQUESTS": "2",
            "GUNICORN_CMD_ARGS": "--timeout 4 --backlog=4 -k 'sync'",
            "EVGATEWAY_CMD_ARGS": "--keep-alive 5 --backlog 5",
        ]
        let all = try reader(["-c", "a.toml", "--backlog", "6", "app"], environment).read(
            looksForUsual: true, python: nil)
        let configuration = all.configuration
        #expect(configuration.maxRequests == 2 && configuration.workers == 3 && configuration.timeout == 4)
        #expect(configuration.keepAliveTimeout == 5 && configuration.backlog == 6 && configuration.isSync)
        #expect(all.origin(of: "workers") == .file("a.toml") && all.fileRead == "a.toml")
        #expect(all.origin(of: "timeout") == .arguments("GUNICORN_CMD_ARGS"))
        #expect(all.origin(of: "keepalive") == .arguments("EVGATEWAY_CMD_ARGS"))
        #expect(all.origin(of: "wsgi_app") == .commandLine)
    }

    @Test func appMayStandInTheFile() throws {
        folder.file("a.toml", "wsgi_app = 'shop:app'\n")
        let all = try reader(["-c", "a.toml"]).read(looksForUsual: false, python: nil)
        #expect(all.configuration.application == "shop:app")
        folder.file("pyproject.toml", "[tool.other]\nx = 1\n[tool.evgateway]\nwsgi_app = 'a:b'\n")
        let project = try reader(["-c", "pyproject.toml"]).read(looksForUsual: false, python: nil)
        #expect(project.configuration.application == "a:b")
        folder.file("u.ini", "[uwsgi]\nmodule = c\nstatic-map = /s=/x\n")
        let uwsgi = try reader(["--ini", "u.ini"]).read(looksForUsual: false, python: nil)
        #expect(uwsgi.configuration.application == "c:application")
        #expect(uwsgi.notes.first?.hasPrefix("u.ini:3: static-map") == true)
    }

    @Test func fileInPythonIsLeftToTheHostThatExecutesIt() throws {
        folder.file("gunicorn.conf.py", "workers = 2\n")
        let launcher = try reader(["app"]).read(looksForUsual: true, python: nil)
        #expect(launcher.hasPendingPythonFile && launcher.configuration.workers == 1)
        let host = try reader(["app"]).read(looksForUsual: true) { location, name, _ in
            #expect(location == "\(folder.path)/gunicorn.conf.py" && name == "gunicorn.conf.py")
            return [FileSetting("workers", .integer(2), line: 1)]
        }
        #expect(host.configuration.workers == 2 && host.origin(of: "workers") == .file("gunicorn.conf.py"))
    }

    @Test func ownFileGoesBeforeGunicornsAndBothBehindTheNamedOne() throws {
        folder.file("gunicorn.conf.py")
        folder.file("evgateway.conf.py")
        let usual = try reader(["app"]).read(looksForUsual: true, python: nil)
        #expect(usual.fileRead == "evgateway.conf.py")
        folder.file("sub/x.toml")
        let named = try reader(["--chdir", "sub", "-c", "x.toml", "app"]).read(looksForUsual: true, python: nil)
        #expect(named.fileRead == "sub/x.toml")
        let none = try reader(["app"]).read(looksForUsual: false, python: nil)
        #expect(none.fileRead == nil)
    }

    @Test func whatTheProgramGivesWins() throws {
        let all = try SettingsReader(
            arguments: ["app"], startFolder: folder.path, environment: { ["EVGATEWAY_WORKERS": "2"][$0] },
            program: [FileSetting("workers", .integer(4))]
        ).read(looksForUsual: false, python: nil)
        #expect(all.configuration.workers == 4 && all.origin(of: "workers") == .program)
    }

    @Test func errorNamesThePlace() {
        folder.file("a.toml", "workers = 2\ntimeout = 'x'\n")
        #expect(failure(["-c", "a.toml", "app"]) == "a.toml:2: timeout: 'x' is not a number of seconds of 0 or more")
        folder.file("b.toml", "workers = \n")
        #expect(failure(["-c", "b.toml", "app"]).hasPrefix("b.toml:1: "))
        folder.file("c.toml", "wrokers = 2\n")
        #expect(failure(["-c", "c.toml", "app"]) == "c.toml:1: no setting 'wrokers'; did you mean 'workers'?")
        #expect(failure(["-c", "d.toml", "app"]) == "d.toml: cannot read it: No such file or directory")
        #expect(
            failure(["app"], ["GUNICORN_CMD_ARGS": "--workers x"])
                == "GUNICORN_CMD_ARGS: --workers: 'x' is not a whole number of 1 or more")
        #expect(failure(["app"], ["GUNICORN_CMD_ARGS": "other:app"]).hasPrefix("GUNICORN_CMD_ARGS: "))
        #expect(failure(["app"], ["EVGATEWAY_TIMEOUT": "x"]).hasPrefix("EVGATEWAY_TIMEOUT: 'x' is not"))
    }
}

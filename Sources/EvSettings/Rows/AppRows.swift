// The rows about the app: where it is, how it is called, its environment; then the process.

extension Setting {
    static let applicationRows = [
        Setting(
            "wsgi_app", "", .application, .text(\.application), value: "app",
            "APP, for a configuration file: it may stand there in place of the command line."),
        Setting(
            "config", "-c --config", .application, .text(\.configurationFile, .file), value: "file",
            "FILE.py or python:MODULE as gunicorn reads it, FILE.toml, pyproject.toml, or a uwsgi FILE.ini.",
            details: "Without it, ./evgateway.conf.py or ./gunicorn.conf.py is read for a Python app."),
        Setting(
            "chdir", "--chdir", .application, .text(\.changeDirectory, .folder), value: "folder",
            "Change to this folder before the app is loaded."),
        Setting(
            "raw_env", "-e --env", .application, .texts(\.environment, check: assignment), value: "name=value",
            "A variable for the environment of the app; repeatable."),
        Setting(
            "env_file", "--env-file", .application, .texts(\.environmentFiles, .file), value: "file",
            "A file of NAME=value lines for the environment of the app; what is set already stays."),
        Setting(
            "preload_app", "--preload", .application, .toggle(\.preload),
            "Load the app once, in the master, before workers are forked."),
    ]

    private static func assignment(_ text: String) throws(ValueError) {
        guard let sign = text.firstIndex(of: "="), sign > text.startIndex, !text.utf8.contains(0) else {
            throw ValueError("'\(text)' is not of the form NAME=value")
        }
    }

    static let pythonRows = [
        Setting(
            "python", "--python", .python, .text(\.python, .file), value: "path",
            "The app's interpreter, or virtual environment; else $VIRTUAL_ENV, else python3 on PATH."),
        Setting(
            "pythonpath", "--pythonpath", .python, .path(\.pythonPath), value: "folders",
            "Folders to add to Python's path, separated by commas."),
        Setting(
            "factory", "--factory", .python, .toggle(\.isFactory),
            "APP names a function that makes the app; the same as writing the call: module:create_app()."),
        Setting(
            "interface", "--interface", .python,
            .choice(\.interface, also: ["asgi3": .asgi, "asgi2": .asgi, "asginl": .asgi]), value: "name",
            "The app's interface: auto, wsgi or asgi."),
        Setting(
            "paste", "--paste --paster", .python, .text(\.paste, .file), value: "file",
            "FILE.ini, or FILE.ini#SECTION, of PasteDeploy in place of APP."),
        Setting(
            "raw_paste_global_conf", "--paste-global", .python, .texts(\.pasteVariables, check: assignment),
            value: "name=value", "A global variable for --paste; repeatable."),
        Setting(
            "stream_request_body", "--stream-request-body", .python, .toggle(\.streamRequestBody),
            "With threads and gevent: call the app before its request body has arrived."),
        Setting(
            "monkey_patch", "--monkey-patch", off: "--no-monkey-patch", .python, .toggle(\.monkeyPatch),
            "With gevent: patch the standard library before the app is imported."),
        Setting(
            "cancel_on_disconnect", "--cancel-on-disconnect", .python, .toggle(\.cancelOnDisconnect),
            "With gevent: raise an exception in a greenlet whose client has left."),
        Setting(
            "root_path", "--root-path", .python, .rootPath, value: "path",
            "The path below which the app is: ASGI's root_path; WSGI's SCRIPT_NAME, if the request's path has it."),
        Setting(
            "asgi_lifespan", "--lifespan --asgi-lifespan", .python, .choice(\.lifespan), value: "name",
            "ASGI's lifespan events: auto, on or off."),
        Setting(
            "asgi_loop", "--asgi-loop --loop", .python, .choice(\.asgiLoop), value: "name",
            "The event loop of ASGI apps: auto, asyncio or uvloop."),
    ]

    static let processRows = [
        Setting(
            "pidfile", "-p --pid", .process, .pidFile, value: "file", "File that holds the master's process id."),
        Setting(
            "umask", "-m --umask", .process, .mode(\.umask), value: "mode",
            "File mode creation mask of the server and its app, octal as in 0027; else that of the shell."),
        Setting(
            "server_header", "--server-header", off: "--no-server-header", .process, .toggle(\.sendsServerHeader),
            "Send the Server header."),
        Setting(
            "check_config", "--check-config", .process, .toggle(\.checkOnly),
            "Check settings and app, print the result and exit."),
        Setting(
            "print_config", "--print-config", .process, .toggle(\.printsConfiguration),
            "Print every setting, as TOML, with where its value came from, and exit."),
    ]
}

extension Kind {
    static let workerClass = Kind(
        .value, words: ["auto", "gevent", "threads", "inline", "asgi", "swift", "sync", "gthread"],
        reset: { ($0.workerClass, $0.isSync, $0.isUvicornWorker) = (.auto, false, false) },
        show: { .text($0.isSync ? "sync" : $0.workerClass.rawValue) }
    ) { configuration, value throws(ValueError) in
        let text = try ValueReader.text(value)
        configuration.workerClass = try WorkerClass(parsing: text)
        configuration.isSync = WorkerClass.isSync(text)
        configuration.isUvicornWorker = WorkerClass.isUvicorn(text)
    }

    static let rootPath = Kind(.value, reset: { $0.rootPath = "" }, show: { .text($0.rootPath) }) {
        configuration, value throws(ValueError) in
        let text = try ValueReader.text(value)
        guard text.isEmpty || text.hasPrefix("/") else { throw ValueError("'\(text)' does not begin with '/'") }
        var path = text[...]
        while path.hasSuffix("/") { path.removeLast() }
        configuration.rootPath = String(path)
    }

    /// uWSGI's `-p` are processes and other servers' is the port, so a number is not taken for the name of a file.
    static let pidFile = Kind(
        .value, completion: .file, reset: { $0.pidFile = nil }, show: { $0.pidFile.map { .text($0) } ?? .none }
    ) { configuration, value throws(ValueError) in
        let text = try ValueReader.nonEmpty(value)
        guard !text.allSatisfy(\.isNumber) else {
            throw ValueError("'\(text)' is no name of a file; write --port \(text) or --workers \(text)")
        }
        configuration.pidFile = text
    }
}

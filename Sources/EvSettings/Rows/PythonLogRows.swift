// The rows about Python's logging as the server's log, and about what an app prints.

extension Setting {
    static let pythonLogRows = [
        Setting(
            "capture_output", "--capture-output", .logging, .toggle(\.capturesOutput),
            "What the app prints goes to the file of --error-logfile."),
        Setting(
            "logger_class", "--logger-class", .logging, .text(\.loggerClass), value: "class",
            "A Python class that writes the logs, in place of the server: a subclass of gunicorn.glogging.Logger.",
            details: "As module.Class. Without gunicorn, that name is an alias of evgateway.glogging.Logger. "
                + "gunicorn.glogging.Logger itself and its Statsd say what the server does anyway."),
        Setting(
            "logconfig", "--log-config", .logging, .text(\.logConfigFile, .file), value: "file",
            "An ini file that configures Python's logging, the server's logs too.",
            details: "They are the loggers gunicorn.error and gunicorn.access, or evgateway.error and evgateway.access."
        ),
        Setting(
            "logconfig_dict", "", .logging, .logConfigTable, value: "table",
            "A dictionary for Python's logging.config.dictConfig, in place of a file."),
        Setting(
            "logconfig_json", "--log-config-json", .logging, .text(\.logConfigJSONFile, .file), value: "file",
            "The same as a JSON file."),
    ]

    /// Those that only a Python app can serve.
    package static let ofPythonLog = ["logger_class", "logconfig", "logconfig_dict", "logconfig_json"]
}

extension Kind {
    static let logConfigTable = Kind(
        .value, reset: { $0.logConfigTable = [] }, show: { .table($0.logConfigTable) }
    ) { configuration, value throws(ValueError) in
        guard case .table(let entries) = value else {
            throw ValueError("\(value.description) is not a table")
        }
        configuration.logConfigTable = entries
    }
}

extension GatewayConfiguration {
    /// Python's logging is to be the log of the server.
    package var asksForPythonLog: Bool {
        if logConfigFile != nil || logConfigJSONFile != nil || !logConfigTable.isEmpty { return true }
        guard let loggerClass else { return false }
        return !Self.ownLoggerClasses.contains(loggerClass)
    }

    /// They say what the server does without Python.
    private static let ownLoggerClasses: Set = [
        "simple", "gunicorn.glogging.Logger", "evgateway.glogging.Logger", "gunicorn.instrument.statsd.Statsd",
        "evgateway.statsd.Statsd",
    ]
}

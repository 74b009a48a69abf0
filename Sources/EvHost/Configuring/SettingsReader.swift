// All sources of settings, read in their order: environment, configuration file, GUNICORN_CMD_ARGS, EVGATEWAY_CMD_ARGS,
// command line, program. The master reads them again at a reload. What is meant for a command line (the variables with
// options, the usual file) is no source for a program that calls the server.

package import EvSettings

package struct SettingsReader {
    /// Executes a configuration file in Python, an absolute path or `python:MODULE`, and returns what it sets.
    package typealias PythonReader = (
        _ location: String, _ name: String, _ settings: Settings
    ) throws(ConfigurationError) -> [FileSetting]

    package let commandLine: CommandLine
    /// Absolute; relative names of files are meant from here, also after `--chdir`.
    package let startFolder: String
    package let environment: EnvironmentLookup
    /// Options that the environment holds, with the name of the variable.
    private let variables: [(name: String, line: CommandLine)]

    /// What the program gives that has called `evgateway.serve`; nil if there is none.
    private let program: [FileSetting]?

    /// - Parameters:
    ///   - arguments: without the name of the program.
    ///   - environment: that of the start; what the server adds for the app is not in it.
    ///   - program: what a program gives that calls the server, nil without one.
    package init(
        arguments: [String], startFolder: String, environment: @escaping EnvironmentLookup,
        program: [FileSetting]? = nil
    ) throws(ConfigurationError) {
        commandLine = try CommandLine(arguments)
        self.startFolder = startFolder
        self.environment = environment
        self.program = program
        var variables: [(String, CommandLine)] = []
        for name in ["GUNICORN_CMD_ARGS", "EVGATEWAY_CMD_ARGS"] where program == nil {
            guard let text = environment(name), !text.isEmpty else { continue }
            variables.append((name, try Self.commandLine(of: text, name)))
        }
        self.variables = variables
    }

    private static func commandLine(of text: String, _ name: String) throws(ConfigurationError) -> CommandLine {
        let words: [String]
        do throws(FileSyntaxError) {
            words = try ShellWords.split(text)
        } catch {
            throw ConfigurationError(name, reason: error.reason)
        }
        let line: CommandLine
        do throws(ConfigurationError) {
            line = try CommandLine(words)
        } catch {
            throw ConfigurationError(name, reason: error.description)
        }
        if let application = line.application {
            throw ConfigurationError(name, reason: "holds options only, and '\(application)' is none")
        }
        guard line.question == nil else { throw ConfigurationError(name, reason: "cannot ask for help") }
        return line
    }

    /// Reads everything.
    ///
    /// - Parameters:
    ///   - looksForUsual: `./evgateway.conf.py` or `./gunicorn.conf.py` is read when no file is named.
    ///   - python: nil leaves a file in Python out.
    package func read(looksForUsual: Bool, python: PythonReader?) throws(ConfigurationError) -> Settings {
        let program = try Assignment.all(of: program ?? [], in: "evgateway.serve")
        // What the file may depend on: --chdir, --pythonpath, and --config itself.
        var early = Settings()
        try apply(to: &early, file: [], program)
        guard let file = file(early.configuration, looksForUsual: looksForUsual) else { return try checked(early) }
        var settings = Settings()
        settings.fileRead = file.name(in: startFolder)
        let assignments = try assignments(of: file, &settings, python, early)
        try apply(to: &settings, file: assignments, program)
        return try checked(settings)
    }

    private func checked(_ settings: Settings) throws(ConfigurationError) -> Settings {
        var settings = settings
        try settings.finish()
        _ = try ProcessLogs.accessLogSettings(settings)
        return settings
    }

    private func apply(
        to settings: inout Settings, file: [Assignment], _ program: [Assignment]
    ) throws(ConfigurationError) {
        try settings.apply(environment: environment)
        if let name = settings.fileRead { try settings.apply(file, from: .file(name)) }
        for (name, line) in variables {
            do throws(ConfigurationError) {
                try settings.apply(line.assignments, from: .arguments(name))
            } catch {
                throw ConfigurationError(name, reason: error.description)
            }
        }
        try settings.apply(commandLine.assignments, from: .commandLine)
        if let application = commandLine.application {
            try settings.apply([Assignment("wsgi_app", .text(application), label: "APP")], from: .commandLine)
        }
        try settings.apply(program, from: .program)
        settings.take(applicationArguments: commandLine.applicationArguments)
    }

    private func file(_ configuration: GatewayConfiguration, looksForUsual: Bool) -> ConfigurationFile? {
        var folders = [startFolder]
        if let folder = configuration.changeDirectory { folders.append(FilePath.absolute(folder, in: startFolder)) }
        if let location = configuration.configurationFile {
            return ConfigurationFile(named: location, in: folders)
        }
        return looksForUsual && program == nil ? ConfigurationFile.usual(in: folders) : nil
    }

    private func assignments(
        of file: ConfigurationFile, _ settings: inout Settings, _ python: PythonReader?, _ early: Settings
    ) throws(ConfigurationError) -> [Assignment] {
        let name = file.name(in: startFolder)
        do {
            switch file {
            case .python(let location):
                guard let python else {
                    settings.hasPendingPythonFile = true
                    return []
                }
                return try Assignment.all(of: python(location, name, early), in: name)
            case .toml(let path, let table):
                let text = try TextFile.read(path, name: name)
                return try Assignment.all(of: TOMLReader.read(text, table: table), in: name)
            case .uwsgi(let path):
                let text = try TextFile.read(path, name: name)
                let folder = path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex)
                let lines = try UWSGIReader.read(
                    text, folder: String(folder), file: path, environment: environment)
                let (values, notes) = UWSGISettings.settings(lines)
                settings.fileNotes = notes.map { "\(name):\($0.line): \($0.sentence)" }
                return try Assignment.all(of: values, in: name)
            }
        } catch let error as FileSyntaxError {
            throw ConfigurationError(error.line.map { "\(name):\($0)" } ?? name, reason: error.reason)
        } catch {
            throw error as? ConfigurationError ?? ConfigurationError(name, reason: "\(error)")
        }
    }
}

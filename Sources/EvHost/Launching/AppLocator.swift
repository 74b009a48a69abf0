// Finds what APP names: a Python module or file, or a Swift executable. If a word could be both, Python is tried first.
// Nothing is imported here. The interpreter is asked only about a word without slash that no file matches.

package import EvSettings

/// Where an app was found.
package enum AppLocation: Equatable, Sendable {
    /// A Python app, to be run by the interpreter at this path.
    case python(interpreter: String)
    /// A Swift app, the executable at this path.
    case swift(executable: String)
}

/// Finds an app. All folders are absolute.
package struct AppLocator {
    /// The folder the launcher was started in.
    package var startFolder: String
    /// `--chdir`, absolute; nil when not given.
    package var changeFolder: String?
    package var pythonPath: [String]
    /// `--python`
    package var python: String?
    /// False while a configuration file in Python is not executed yet: it may have a `pythonpath` or a `chdir`.
    package var isPathKnown = true
    package var environment: EnvironmentLookup
    /// Returns true if the interpreter finds the module in `folders` or on its own path.
    package var interpreterHasModule: (_ interpreter: String, _ module: String, _ folders: [String]) -> Bool

    package init(
        startFolder: String, configuration: GatewayConfiguration, environment: @escaping EnvironmentLookup,
        interpreterHasModule: @escaping (String, String, [String]) -> Bool = InterpreterProbe.hasModule
    ) {
        self.startFolder = startFolder
        changeFolder = configuration.changeDirectory.map { FilePath.absolute($0, in: startFolder) }
        pythonPath = configuration.pythonPath
        python = configuration.python
        self.environment = environment
        self.interpreterHasModule = interpreterHasModule
    }

    /// The folder in which the app will run.
    private var folder: String { changeFolder ?? startFolder }

    /// The folders that Python searches before its own path.
    private var moduleFolders: [String] { [folder] + pythonPath.map { FilePath.absolute($0, in: folder) } }

    package func locate(_ app: String) throws(ConfigurationError) -> AppLocation {
        if app.hasPrefix("paste:") { return .python(interpreter: try interpreter()) }
        // The attribute may be a call with literals, so anything can follow the first colon.
        let parts = app.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0])
        guard !name.isEmpty else { throw ConfigurationError(reason: "APP '\(app)' names no module before the ':'") }
        if name.hasSuffix(".py") { return try pythonFile(name) }
        if name.contains("/") {
            guard parts.count == 1 else {
                throw ConfigurationError(
                    reason: "APP '\(app)': '\(name)' is not a .py file, and only Python apps have attributes")
            }
            return try executable(at: name)
        }
        if parts.count == 2 { return .python(interpreter: try interpreter()) }
        return try bareWord(name)
    }

    private func pythonFile(_ name: String) throws(ConfigurationError) -> AppLocation {
        let path = FilePath.absolute(name, in: folder)
        guard FilePath.isFile(path) else { throw ConfigurationError(reason: "no such file: \(path)") }
        return .python(interpreter: try interpreter())
    }

    private func executable(at name: String) throws(ConfigurationError) -> AppLocation {
        var tried: [String] = []
        for folder in [folder, startFolder] {
            let path = FilePath.absolute(name, in: folder)
            guard !tried.contains(path) else { continue }
            tried.append(path)
            guard FilePath.isFile(path) else { continue }
            guard FilePath.isExecutable(path), AppMarker.isApp(path) else {
                throw ConfigurationError(reason: "\(path) is neither a .py file nor a program that links EvGateway")
            }
            return .swift(executable: path)
        }
        throw ConfigurationError(reason: "no such file: \(tried.joined(separator: " or "))")
    }

    private func bareWord(_ word: String) throws(ConfigurationError) -> AppLocation {
        var tried: [String] = []
        let module = word.split(separator: ".", omittingEmptySubsequences: false).joined(separator: "/")
        for folder in moduleFolders {
            let files = ["\(folder)/\(module).py", "\(folder)/\(module)/__init__.py"]
            if files.contains(where: FilePath.isFile) { return .python(interpreter: try interpreter()) }
            tried.append("\(folder)/\(module).py")
            tried.append("\(folder)/\(module)/")
        }
        // Without `--python` there may be no interpreter at all; one that `--python` names must exist.
        let interpreter = python == nil ? try? interpreter() : try interpreter()
        if let interpreter {
            // The top package alone: finding a submodule would run the package's code.
            let top = String(word.prefix { $0 != "." })
            if interpreterHasModule(interpreter, top, moduleFolders) { return .python(interpreter: interpreter) }
            tried.append("the modules of \(interpreter)")
        } else {
            tried.append("no Python interpreter")
        }
        let folders = (changeFolder.map { [$0] } ?? []) + [startFolder] + searchPath
        for folder in folders {
            let path = "\(folder)/\(word)"
            if FilePath.isExecutableFile(path), AppMarker.isApp(path) { return .swift(executable: path) }
        }
        if !isPathKnown, let interpreter { return .python(interpreter: interpreter) }
        tried.append("a Swift app in \(folders.joined(separator: ":"))")
        throw ConfigurationError(reason: "no app '\(word)'; tried \(tried.joined(separator: ", "))")
    }

    private var searchPath: [String] {
        (environment("PATH") ?? "").split(separator: ":").map { FilePath.absolute(String($0), in: startFolder) }
    }

    /// `--python`, else the virtual environment's, else the first python3 on PATH. A virtual environment that is named
    /// and has none is an error: another Python would have other packages.
    package func interpreter() throws(ConfigurationError) -> String {
        if let python { return try interpreter(named: python) }
        if let environment = environment("VIRTUAL_ENV"), !environment.isEmpty {
            let path = FilePath.absolute("\(environment)/bin/python3", in: startFolder)
            if FilePath.isExecutableFile(path) { return path }
            throw ConfigurationError(
                reason: "VIRTUAL_ENV is '\(environment)', and there is no \(path): name an interpreter with --python")
        }
        if let found = searchPath.map({ "\($0)/python3" }).first(where: FilePath.isExecutableFile) { return found }
        throw ConfigurationError(
            reason: "no Python interpreter: no VIRTUAL_ENV and no python3 on PATH; name one with --python")
    }

    /// The value of `--python`: a path, the folder of a virtual environment, or a name on PATH.
    private func interpreter(named python: String) throws(ConfigurationError) -> String {
        let path = FilePath.absolute(python, in: startFolder)
        var candidates = ["\(path)/bin/python3", "\(path)/bin/python"]
        candidates += python.contains("/") ? [path] : searchPath.map { "\($0)/\(python)" }
        if let found = candidates.first(where: FilePath.isExecutableFile) { return found }
        throw ConfigurationError("--python", reason: "no such interpreter: '\(python)'")
    }
}

// The program that the launcher becomes: the interpreter with the gateway's Python package, or the Swift app.
// Every error in the options is found here, before the exec.

/// The program to exec, with arguments and environment.
package struct HostCommand: Equatable, Sendable {
    package var path: String
    /// With the program's name.
    package var arguments: [String]
    /// Set on top of the launcher's own environment.
    package var environment: [String: String] = [:]
}

extension HostCommand {
    /// Finds the program that serves APP.
    ///
    /// - Parameters:
    ///   - arguments: the launcher's command line without its name, already read as `configuration`.
    ///   - programFolder: the folder of the launcher's executable; the Python host lies beside it.
    package init(
        arguments: [String], configuration: GatewayConfiguration, locator: AppLocator, programFolder: String
    ) throws(ConfigurationError) {
        guard let app = configuration.application else {
            throw ConfigurationError(reason: "no APP given: name a Python module or a Swift app (see evgateway --help)")
        }
        switch try locator.locate(app) {
        case .python(let interpreter):
            _ = try configuration.workerClass.resolved(for: .python)
            let library = try Self.first(
                of: ["\(programFolder)/libEvPython.so", "\(programFolder)/../lib/evgateway/libEvPython.so"],
                "the library for Python apps")
            let script = try Self.first(
                of: [
                    "\(programFolder)/evgateway_CPythonBridge.resources/python/evgateway/__main__.py",
                    "\(programFolder)/../lib/evgateway/python/evgateway/__main__.py",
                ], "the Python package")
            self.init(
                path: interpreter, arguments: [interpreter, script] + arguments,
                environment: ["EVGATEWAY_LIBRARY": library])
        case .swift(let executable):
            _ = try configuration.workerClass.resolved(for: .swift)
            var rest = arguments
            if let index = GatewayOptions.indexOfApp(in: arguments) { rest.remove(at: index) }
            self.init(path: executable, arguments: [executable] + rest)
        }
    }

    private static func first(of paths: [String], _ what: String) throws(ConfigurationError) -> String {
        if let found = paths.first(where: FilePath.isFile) { return found }
        throw ConfigurationError(reason: "\(what) is missing: \(paths.joined(separator: " and ")) do not exist")
    }
}

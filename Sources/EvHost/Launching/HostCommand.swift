// The program that the launcher becomes: the interpreter with the gateway's Python package, or the Swift app.
// Every error in the options is found here, before the exec.

package import EvSettings

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
    ///   - arguments: the launcher's command line without its name.
    ///   - applicationIndex: where APP stands in it.
    ///   - settings: what was read of it; a configuration file in Python is the host's to execute.
    ///   - programFolder: the folder of the launcher's executable; the Python host lies beside it.
    package init(
        arguments: [String], applicationIndex: Int?, settings: Settings, locator: AppLocator, programFolder: String
    ) throws(ConfigurationError) {
        let location: AppLocation
        if let app = settings.configuration.application {
            var locator = locator
            locator.isPathKnown = !settings.hasPendingPythonFile
            do throws(ConfigurationError) {
                location = try locator.locate(app)
            } catch {
                guard ServerCommand(rawValue: app) != nil else { throw error }
                let reason = "\(error.reason); the command stands first: evgateway \(app)"
                throw ConfigurationError(error.option, reason: reason, details: error.details)
            }
        } else if settings.hasPendingPythonFile {
            location = .python(interpreter: try locator.interpreter())
        } else {
            throw ConfigurationError(reason: "no APP given: name a Python module or a Swift app (see evgateway --help)")
        }
        switch location {
        case .python(let interpreter):
            var settings = settings
            try settings.resolveWorkerClass(for: .python)
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
            var settings = settings
            try settings.resolveWorkerClass(for: .swift)
            var rest = arguments
            if let applicationIndex { rest.remove(at: applicationIndex) }
            self.init(path: executable, arguments: [executable] + rest)
        }
    }

    private static func first(of paths: [String], _ what: String) throws(ConfigurationError) -> String {
        if let found = paths.first(where: FilePath.isFile) { return found }
        throw ConfigurationError(reason: "\(what) is missing: \(paths.joined(separator: " and ")) do not exist")
    }
}

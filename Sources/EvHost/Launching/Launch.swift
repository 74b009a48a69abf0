// The launcher as one function; `main` of the executable calls it and nothing else.

import EvSettings
import Glibc

/// Becomes the host of the app that the command line names, and then does not return. Returns an exit code after
/// `--help` and `--version`, and when something is wrong.
///
/// - Parameter arguments: the command line without the program's name.
package func launch(arguments: [String]) -> Int32 {
    do {
        if let code = try runCommand(arguments) { return code }
        try ProcFileSystem.require()
        let reader = try SettingsReader(
            arguments: arguments, startFolder: FilePath.workingFolder(), environment: processEnvironment)
        if let question = reader.commandLine.question { return answer(question) }
        let settings = try reader.read(looksForUsual: true, python: nil)
        let configuration = settings.configuration
        let locator = AppLocator(
            startFolder: reader.startFolder, configuration: configuration, environment: processEnvironment)
        if let folder = locator.changeFolder, access(folder, X_OK) != 0 {
            throw ConfigurationError.cannotChange(to: folder, settings.label(of: "chdir"))
        }
        if configuration.printsConfiguration, configuration.application == nil, !settings.hasPendingPythonFile {
            print(ConfigurationText.text(settings), terminator: "")
            return 0
        }
        let command = try HostCommand(
            arguments: arguments, applicationIndex: reader.commandLine.applicationIndex, settings: settings,
            locator: locator, programFolder: FilePath.programFolder() ?? ".")
        for (name, value) in command.environment { setenv(name, value, 1) }
        _ = withCStrings(command.arguments) { execv(command.path, $0) }
        throw ConfigurationError(reason: "cannot start \(command.path): \(String(cString: strerror(errno)))")
    } catch {
        return report(error)
    }
}

/// Prints why the program fails, the reason in the last line, and returns the exit code.
func report(_ error: any Error) -> Int32 {
    if let error = error as? ConfigurationError, !error.details.isEmpty { printError(error.details) }
    guard let error = error as? ApplicationError else {
        printError("evgateway: \(error)")
        return 1
    }
    if let details = error.details { printError(details) }
    printError("evgateway: \(error)")
    return error.exitCode
}

extension ConfigurationError {
    /// Reads `errno`, so it must be called right after the failed call on the folder.
    static func cannotChange(to folder: String, _ label: String) -> ConfigurationError {
        ConfigurationError(label, reason: "cannot change to '\(folder)': \(String(cString: strerror(errno)))")
    }
}

// From a command line to an exit code: a question is answered, a command to a running server is
// carried out, everything else is the master's.

import EvSettings
import EvSupervisor
import Glibc

/// Serves the host's app as the command line asks, and returns the exit code of the process.
///
/// - Parameter arguments: the command line without the program's name.
package func runGateway(host: any ApplicationHost, arguments: [String]) -> Int32 {
    do {
        if host.givenSettings == nil, let code = try runCommand(arguments) { return code }
        let reader = try SettingsReader(
            arguments: arguments, startFolder: FilePath.workingFolder(), environment: environmentOfNow(),
            program: host.givenSettings)
        if let question = reader.commandLine.question { return answer(question) }
        try ProcFileSystem.require()
        try host.enterInterpreter(reader)
        EarlySignals.note()
        let image = ProgramImage(folder: reader.startFolder)
        // Not for the app, nor for programs that it starts.
        if getenv(Handover.variable) != nil { host.setEnvironment([(Handover.variable, nil)]) }
        // The reader has it, and a reload reads it from there again.
        for secret in Setting.all.filter(\.isSecret).map(\.variable) where getenv(secret) != nil {
            host.setEnvironment([(secret, nil)])
        }
        image?.handover?.closeOnExec()
        return try GatewayMaster(host, reader, image).run()
    } catch {
        return report(error)
    }
}

/// Prints what the command line asks for.
func answer(_ question: CommandLine.Question) -> Int32 {
    switch question {
    case .help(let topic): print(Help.text(topic: topic), terminator: "")
    case .version: print("evgateway \(GatewayVersion.string)")
    case .generate(let name):
        guard let text = Generated.text(name, version: GatewayVersion.string) else {
            printError("evgateway: --generate: '\(name)' is unknown: choose \(Generated.names.joined(separator: ", "))")
            return 1
        }
        print(text, terminator: "")
    }
    return 0
}

/// The environment as it is now; what the server adds later is not in it.
func environmentOfNow() -> EnvironmentLookup {
    let variables = AppEnvironment.all()
    return { variables[$0] }
}

/// `getenv` as an `EnvironmentLookup`.
package func processEnvironment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}

/// Writes one or several lines to standard error.
package func printError(_ text: String) {
    let line = Array((text.hasSuffix("\n") ? text : text + "\n").utf8)
    line.withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

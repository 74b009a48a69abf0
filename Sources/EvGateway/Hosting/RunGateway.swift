// From a command line to an exit code. The steps: options, folder, app, logs, master; each may fail. Runs in the master
// on its only thread. No Task is started before the fork.

import EvLoop
import EvSupervisor
import Glibc
import Logging

/// Serves the host's app as the command line asks, and returns the exit code of the process.
///
/// - Parameter arguments: the command line without the program's name.
package func runGateway(host: any ApplicationHost, arguments: [String]) -> Int32 {
    do {
        switch try GatewayOptions.read(arguments) {
        case .answer(let text):
            print(text)
            return 0
        case .run(let options):
            var configuration = try GatewayConfiguration(options, environment: processEnvironment)
            configuration.workerClass = try configuration.workerClass.resolved(for: host.kind)
            if host.kind == .swift, let word = configuration.application {
                throw ConfigurationError(
                    reason: "unexpected argument '\(word)': this program is the app; its own arguments go after '--'")
            }
            return try serve(host, configuration)
        }
    } catch {
        return report(error)
    }
}

private func serve(_ host: any ApplicationHost, _ asked: GatewayConfiguration) throws -> Int32 {
    var configuration = asked
    if let folder = configuration.changeDirectory, chdir(folder) != 0 {
        throw ConfigurationError.cannotChange(to: folder)
    }
    if configuration.checkOnly {
        try host.check(configuration)
        print("evgateway: configuration OK")
        return 0
    }
    // Without this, a write to a closed connection would end the process. So it returns EPIPE.
    _ = signal(SIGPIPE, SIG_IGN)
    let logs = try ProcessLogs(configuration)
    Gateway.install(logs.logger)
    if configuration.preload { try host.preload(configuration) }
    logs.logger.info("Starting evgateway \(GatewayVersion.string) (\(host.name))")
    let choice = host.chooseWorkerClass(for: configuration)
    configuration.workerClass = choice.workerClass
    logs.logger.info("Using worker: \(choice.workerClass.rawValue)\(choice.reason.map { " (\($0))" } ?? "")")
    provideDescriptors(for: configuration.connections, logs.logger)
    if configuration.workerClass.spoolsBodies { configuration.spool.check(logs.logger) }
    let supervisor = Supervisor(
        configuration: configuration.supervisor,
        logger: logs.logger,
        forkHooks: host.forkHooks,
        onReopenLogs: logs.reopen,
        worker: { [configuration] context in
            WorkerProcess.run(host: host, configuration: configuration, context: context, logs: logs)
        })
    let code = supervisor.run()
    if code != 0, configuration.errorLogFile != "-" {
        printError("evgateway: ended with exit code \(code), see \(configuration.errorLogFile)")
    }
    return code
}

/// Raises the limit of open files that the workers inherit, and warns if it is too low for `connections`.
private func provideDescriptors(for connections: Int, _ logger: Logger) {
    // Twice the connections: an app that waits for another server often opens one connection to it per request.
    DescriptorLimit.raise(to: 2 * connections + ownDescriptors)
    let limit = DescriptorLimit.current.soft
    if connections + ownDescriptors > limit {
        logger.warning(
            """
            --connections \(connections) does not fit the limit of \(limit) open files: \
            a worker holds about \(max(0, limit - ownDescriptors)) (ulimit -Hn, LimitNOFILE)
            """)
    }
}

/// Descriptors that a worker may need besides its clients' connections: listeners, logs, the loop, modules being
/// imported.
private let ownDescriptors = 64

/// `getenv` as an `EnvironmentLookup`.
package func processEnvironment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}

/// Writes one or several lines to standard error.
package func printError(_ text: String) {
    let line = Array((text.hasSuffix("\n") ? text : text + "\n").utf8)
    line.withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

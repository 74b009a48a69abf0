// From a command line to an exit code, in the order in which things can fail: options, folder, app, logs, master.
// Runs in the master on its only thread; no Task is started on this side of the fork.

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
    // A peer that is gone is an error code of write, never a signal.
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
    let hooks = host.forkHooks
    let supervisor = Supervisor(
        configuration: configuration.supervisor,
        logger: logs.logger,
        forkHooks: EvSupervisor.ForkHooks(
            before: hooks.before, inParent: hooks.inParent, inChild: hooks.inChild),
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

/// Raises the limit that the workers inherit, and says so when it is too low for what was asked.
private func provideDescriptors(for connections: Int, _ logger: Logger) {
    // An app that waits for others often has a connection of its own for each request.
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

/// What a worker may need besides its clients' connections: listeners, logs, the loop, modules being imported.
private let ownDescriptors = 64

/// `getenv` as an `EnvironmentLookup`.
package func processEnvironment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}

/// One line, or several, to standard error.
package func printError(_ text: String) {
    let line = Array((text.hasSuffix("\n") ? text : text + "\n").utf8)
    line.withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

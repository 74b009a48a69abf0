// `evgateway status` and the other commands to a running server: from the words to the exit code.

import EvAdmin
import EvSettings
import Glibc

/// Does what the command line asks of a running server.
///
/// - Returns: the exit code: 0 done, 1 failed, 2 no server; nil if the first word is no command.
func runCommand(_ arguments: [String]) throws(ConfigurationError) -> Int32? {
    guard let words = try CommandWords(arguments) else { return nil }
    if words.asksForHelp {
        print(Help.text(of: words.command), terminator: "")
        return 0
    }
    // Python ignores it, the shell does not; here, writing tells that nobody reads.
    signal(SIGPIPE, SIG_IGN)
    let finder = try ServerFinder(words, folder: FilePath.workingFolder(), environment: processEnvironment)
    let output = Output(processEnvironment)
    do throws(ClientError) {
        let commands = ClientCommands(
            find: finder.find, token: finder.token, version: GatewayVersion.string, output: output)
        return try run(words, commands)
    } catch {
        printError("evgateway: \(error)")
        return error.kind == .unreachable ? 2 : 1
    }
}

private func run(_ words: CommandWords, _ commands: ClientCommands) throws(ClientError) -> Int32 {
    let isJSON = words.has("--json")
    switch words.command {
    case .status where words.has("--watch"): return try commands.watch()
    case .status: return try commands.status(json: isJSON)
    case .connections: return try commands.connections(of: words.worker, json: isJSON)
    case .stack: return try commands.stacks(of: words.worker, json: isJSON)
    case .reload: return try commands.order("/reload")
    case .stop: return try commands.order(words.has("--now") ? "/stop?now=1" : "/stop")
    case .scale: return try commands.order("/scale?workers=\(words.count ?? 1)")
    case .upgrade: return try commands.order("/upgrade")
    case .reopenLogs: return try commands.order("/reopen-logs")
    }
}

// The one description of the command line. The launcher, the Python host and Swift apps all read it.

package import ArgumentParser

/// What was typed: `evgateway [OPTIONS] APP [-- APP ARGS]`.
package struct GatewayOptions: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "evgateway",
        abstract: "Serves Python WSGI and ASGI apps and native Swift apps, many connections per process.",
        usage: "evgateway [OPTIONS] APP [-- APP ARGS]")

    @Argument(
        help: ArgumentHelp(
            "MODULE, MODULE:ATTRIBUTE, MODULE:FACTORY('x'), PATH.py[:ATTRIBUTE], or the path or name of a Swift app.",
            valueName: "app"))
    var app: String?

    @Argument(parsing: .postTerminator, help: ArgumentHelp("Passed on to the app.", valueName: "app-args"))
    var appArguments: [String] = []

    @OptionGroup(title: "Binding") var binding: BindingOptions
    @OptionGroup(title: "Workers") var workers: WorkerOptions
    @OptionGroup(title: "Time limits") var times: TimeLimitOptions
    @OptionGroup(title: "Size limits") var sizes: SizeLimitOptions
    @OptionGroup(title: "Application") var application: ApplicationOptions
    @OptionGroup(title: "Python") var pythonApps: PythonOptions
    @OptionGroup(title: "Logging") var logging: LoggingOptions
    @OptionGroup(title: "Process") var process: ProcessOptions

    package init() {}
}

/// What a command line asks for.
package enum CommandLineRequest {
    case run(GatewayOptions)
    /// `--help` or `--version`: print and exit 0.
    case answer(String)
}

extension GatewayOptions {
    /// Reads a command line without the program's name.
    package static func read(_ arguments: [String]) throws(ConfigurationError) -> CommandLineRequest {
        do {
            let options = try parse(arguments)
            guard !options.process.version else { return .answer("evgateway \(GatewayVersion.string)") }
            return .run(options)
        } catch {
            if exitCode(for: error) == .success { return .answer(fullMessage(for: error)) }
            let message = message(for: error)
            throw ConfigurationError(
                reason: unknownOption(in: message).map { UnknownOption.reason($0, known: names) } ?? sentence(message))
        }
    }

    /// The index of APP in `arguments`; nil if there is none. It is the first word with which the words so far, read as
    /// a command line, have an APP.
    package static func indexOfApp(in arguments: [String]) -> Int? {
        let words = arguments.prefix { $0 != "--" }
        return words.indices.first { (try? parse(Array(words[...$0])))?.app != nil }
    }

    /// The option that a message of the parser calls unknown.
    private static func unknownOption(in message: String) -> String? {
        let start = "Unknown option '"
        guard message.hasPrefix(start) else { return nil }
        return String(message.dropFirst(start.count).prefix { $0 != "'" })
    }

    /// The long names of all options, with their dashes, as the help has them.
    private static var names: Set<String> {
        let words = helpMessage().split { " ,/\n".contains($0) }
        return Set(words.filter { $0.hasPrefix("--") && $0.count > 2 }.map(String.init))
    }

    /// Makes one line of the text, to be printed after `evgateway: `.
    private static func sentence(_ text: String) -> String {
        let line = text.split(separator: "\n").map { $0.trimmingPrefix { $0 == " " } }.joined(separator: " ")
        return line.prefix(1).lowercased() + line.dropFirst()
    }
}

// `evgateway COMMAND --help`, and what the other texts say of the commands.

extension Help {
    package static func text(of command: ServerCommand, program: String = "evgateway") -> String {
        var text = command.help + "\n\nUsage: \(program) \(command.usage) [OPTIONS]\n"
        if !command.ownOptions.isEmpty { text += "\n" + command.ownOptions.map(line).joined() }
        text += "\nThe server:\n" + ServerCommand.common.map(line).joined()
        text += """

            Without these: the server whose admin_bind or pidfile the environment (EVGATEWAY_<NAME>) gives, else the one
            of this user that runs with --admin-bind.

            Exit status: 0 done; 1 failed; 2 there is no such server, or it cannot be reached.

            """
        return text
    }

    private static func line(_ option: ServerCommand.Option) -> String {
        line("  \(option.flag)\(option.value.map { " \($0)" } ?? "")", option.help)
    }

    private static func line(_ left: String, _ help: String) -> String {
        let indent = String(repeating: " ", count: 30)
        let first = left.utf8.count < 29 ? left + indent.dropFirst(left.utf8.count) : left + "\n" + indent
        return first + wrapped(help, width: 89).joined(separator: "\n" + indent) + "\n"
    }

    /// The part of the overview.
    static func commands(_ program: String) -> String {
        var text = "\nCommands to a server that runs with --admin-bind (\(program) COMMAND --help):\n"
        for command in ServerCommand.allCases { text += line("  " + command.usage, command.help) }
        return text
    }
}

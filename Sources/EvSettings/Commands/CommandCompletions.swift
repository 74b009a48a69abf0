// The commands in the completion scripts and in the manual page.

extension Generated {
    private static var commandNames: String { ServerCommand.allCases.map(\.rawValue).joined(separator: " ") }

    private static var valued: [ServerCommand.Option] {
        var options: [ServerCommand.Option] = []
        for option in ServerCommand.allCases.flatMap(\.options) where option.value != nil && !options.contains(option) {
            options.append(option)
        }
        return options
    }

    /// Stands first in the function; it returns when the first word is a command.
    static var bashCommands: String {
        var cases = ""
        for command in ServerCommand.allCases {
            let flags = command.options.map(\.flag).joined(separator: " ")
            cases += "            \(command.rawValue)) options='\(flags)';;\n"
        }
        let files = valued.filter(\.completesFiles).map(\.flag).joined(separator: "|")
        let others = valued.filter { !$0.completesFiles }.map(\.flag).joined(separator: "|")
        return """
                if [[ $COMP_CWORD -gt 1 ]]; then
                    local options=
                    case "${COMP_WORDS[1]}" in
            \(cases)        esac
                    if [[ -n $options ]]; then
                        case "$prev" in
                            \(files)) COMPREPLY=($(compgen -f -- "$cur")); return;;
                            \(others)) return;;
                        esac
                        COMPREPLY=($(compgen -W "$options --help" -- "$cur"))
                        return
                    fi
                elif [[ $cur != -* ]]; then
                    COMPREPLY=($(compgen -W '\(commandNames)' -- "$cur") $(compgen -f -- "$cur"))
                    return
                fi

            """
    }

    static var zshCommands: String {
        var cases = ""
        var words = ""
        for command in ServerCommand.allCases {
            var specifications = command.options.map { option in
                let value = option.value.map { ":\($0):\(option.completesFiles ? "_files" : "")" } ?? ""
                return "'\(option.flag)[\(escaped(option.help, [":", "[", "]"]))]\(value)'"
            }
            if let argument = command.argument { specifications.append("'1:\(argument):'") }
            cases += "    \(command.rawValue)) _arguments \(specifications.joined(separator: " ")); return;;\n"
            words += " '\(command.rawValue):\(escaped(command.help, [":"]))'"
        }
        return """
            if (( CURRENT > 2 )); then
              local first=$words[2]
              if (( ${${(z):-\(commandNames)}[(Ie)$first]} )); then
                shift words
                (( CURRENT-- ))
                case $first in
            \(cases)    esac
              fi
            else
              local -a commands=(\(words.dropFirst()))
              _describe command commands
            fi

            """
    }

    static var fishCommands: String {
        var text = ""
        for command in ServerCommand.allCases {
            let help = escaped(command.help, ["'"])
            text += "complete -c evgateway -n __fish_is_first_token -a \(command.rawValue) -d '\(help)'\n"
            for option in command.options {
                let value = option.value == nil ? "" : option.completesFiles ? " -r" : " -x"
                text += "complete -c evgateway -n '__fish_seen_subcommand_from \(command.rawValue)'"
                text += " -l \(option.flag.dropFirst(2))\(value) -d '\(escaped(option.help, ["'"]))'\n"
            }
        }
        return text
    }

    static var manualCommands: String {
        var text = """
            .SH COMMANDS
            The first word may be one of these. They are for a server that runs with \\fB\\-\\-admin\\-bind\\fR. An app
            with the name of a command is written \\fIstatus:app\\fR or \\fI./status\\fR. The exit status is 0 when the
            command is done, 1 when it has failed, 2 when there is no server.

            """
        for command in ServerCommand.allCases {
            text += ".TP\n\\fB\(roff(command.usage))\\fR\n\(roff(command.help))\n"
        }
        for option in ServerCommand.common {
            text += ".TP\n\\fB\(roff(option.flag))\\fR \\fI\(option.value ?? "")\\fR\n\(roff(option.help))\n"
        }
        return text
    }
}

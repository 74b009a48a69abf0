// `--generate`: what other programs read of the table: completion scripts, the manual page, the page of the
// documentation.

package enum Generated {
    package static let names = ["bash", "zsh", "fish", "man", "markdown"]

    /// - Returns: nil for an unknown name.
    package static func text(_ name: String, version: String) -> String? {
        switch name {
        case "bash": bash
        case "zsh": zsh
        case "fish": fish
        case "man": manual(version)
        case "markdown": markdown
        default: nil
        }
    }

    /// What can be typed with an effect.
    private static var served: [Setting] { Setting.all.filter { $0.isServed && !($0.flags + $0.offFlags).isEmpty } }

    private static func words(_ setting: Setting) -> String { setting.kind.words.joined(separator: " ") }

    // MARK: completions

    private static var bash: String {
        var cases = ""
        for setting in served where setting.kind.shape != .toggle {
            let pattern = setting.flags.joined(separator: "|")
            if !setting.kind.words.isEmpty {
                cases += "        \(pattern)) COMPREPLY=($(compgen -W '\(words(setting))' -- \"$cur\")); return;;\n"
            } else {
                switch setting.kind.completion {
                case .file: cases += "        \(pattern)) COMPREPLY=($(compgen -f -- \"$cur\")); return;;\n"
                case .folder: cases += "        \(pattern)) COMPREPLY=($(compgen -d -- \"$cur\")); return;;\n"
                case .nothing: cases += "        \(pattern)) return;;\n"
                }
            }
        }
        let flags = served.flatMap { $0.flags + $0.offFlags }.joined(separator: " ")
        return """
            # bash completion of evgateway: source it, or put it into ~/.local/share/bash-completion/completions
            _evgateway() {
                local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
                COMPREPLY=()
            \(bashCommands)    case "$prev" in
                    --generate) COMPREPLY=($(compgen -W '\(names.joined(separator: " "))' -- "$cur")); return;;
            \(cases)    esac
                if [[ $cur == -* ]]; then
                    COMPREPLY=($(compgen -W '\(flags) --help --version --generate' -- "$cur"))
                else
                    COMPREPLY=($(compgen -f -- "$cur"))
                fi
            }
            complete -o filenames -F _evgateway evgateway

            """
    }

    private static var zsh: String {
        var lines: [String] = []
        for setting in served {
            let help = escaped(setting.help, [":", "[", "]", "'"])
            let repeats = setting.kind.shape == .list ? "*" : ""
            for flag in setting.flags + setting.offFlags {
                var line = "'\(repeats)\(flag)[\(help)]"
                if setting.kind.shape != .toggle {
                    line += ":\(setting.placeholder):"
                    if !setting.kind.words.isEmpty {
                        line += "(\(words(setting)))"
                    } else {
                        switch setting.kind.completion {
                        case .file: line += "_files"
                        case .folder: line += "_files -/"
                        case .nothing: break
                        }
                    }
                }
                lines.append(line + "'")
            }
        }
        return """
            #compdef evgateway
            # zsh completion of evgateway: put it as _evgateway into a folder of $fpath
            \(zshCommands)_arguments -s \\
              \(lines.joined(separator: " \\\n  ")) \\
              '(- *)'{-h,--help}'[help]::topic:' '(- *)'{-v,--version}'[version]' \\
              '--generate[a script or page]:name:(\(names.joined(separator: " ")))' \\
              '*:app:_files'

            """
    }

    private static var fish: String {
        var text = "# fish completion of evgateway: put it into ~/.config/fish/completions/evgateway.fish\n"
        text += fishCommands
        for setting in served {
            let help = escaped(setting.help, ["'"])
            for flag in setting.flags + setting.offFlags {
                let name = flag.hasPrefix("--") ? "-l \(flag.dropFirst(2))" : "-s \(flag.dropFirst())"
                var line = "complete -c evgateway \(name) -d '\(help)'"
                if setting.kind.shape != .toggle {
                    line += " -r"
                    if !setting.kind.words.isEmpty {
                        line += " -f -a '\(words(setting))'"
                    } else if setting.kind.completion == .nothing {
                        line += " -f"
                    }
                }
                text += line + "\n"
            }
        }
        text += "complete -c evgateway -s h -l help -d 'Help'\ncomplete -c evgateway -s v -l version -d 'Version'\n"
        return text
            + "complete -c evgateway -l generate -x -a '\(names.joined(separator: " "))' -d 'A script or page'\n"
    }

    static func escaped(_ text: String, _ characters: Set<Character>) -> String {
        var escaped = ""
        for character in text where character != "'" {
            if characters.contains(character) { escaped.append("\\") }
            escaped.append(character)
        }
        return escaped
    }

    // MARK: pages

    private static func manual(_ version: String) -> String {
        var text = """
            .TH EVGATEWAY 1 "" "evgateway \(version)" "User Commands"
            .SH NAME
            evgateway \\- serve Python WSGI and ASGI apps and Swift apps
            .SH SYNOPSIS
            .B evgateway
            [\\fIOPTIONS\\fR] \\fIAPP\\fR [\\-\\- \\fIAPP ARGS\\fR]
            .br
            .B evgateway
            \\fICOMMAND\\fR [\\fIOPTIONS\\fR]
            .SH DESCRIPTION
            Serves an app with few processes and many connections per process. APP is MODULE, MODULE:ATTRIBUTE,
            MODULE:FACTORY('x'), PATH.py[:ATTRIBUTE], or the path or name of a Swift app.
            .PP
            Settings come from the defaults, the environment (EVGATEWAY_<NAME>), a configuration file (\\-\\-config),
            GUNICORN_CMD_ARGS, EVGATEWAY_CMD_ARGS and the command line; a later one wins.

            """
        text += manualCommands
        for group in Setting.Group.allCases {
            text += ".SH \(roff(group.title.uppercased()))\n"
            for setting in Setting.all where setting.group == group {
                let flags = (setting.flags + setting.offFlags).map { "\\fB\(roff($0))\\fR" }.joined(separator: ", ")
                let value = setting.placeholder.isEmpty ? "" : " \\fI\(roff(setting.placeholder))\\fR"
                text += ".TP\n\(flags.isEmpty ? "\\fB\(roff(setting.name))\\fR" : flags)\(value)\n"
                text += roff("\(setting.help) \(setting.details)".trimmedWord) + "\n"
                text += roff("In files: \(setting.name)." + (setting.standard.map { " Default: \($0)." } ?? "")) + "\n"
            }
        }
        return text + """
            .SH SIGNALS
            TERM: finish what runs and end. INT, QUIT: end at once. HUP: read the configuration again and replace the
            workers. TTIN, TTOU: one worker more, one less. USR1: reopen the logs. USR2: start a new master on the same
            sockets. WINCH: end the workers, and stay.
            .SH EXIT STATUS
            0: ended as asked. 1: the configuration, or the server itself. 3: a worker did not boot: the app's module is
            missing or raised. 4: the app is not in its module.

            """
    }

    /// A dot or an apostrophe at the start of a line would be a request.
    static func roff(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            default: result.append(character)
            }
        }
        return result.hasPrefix(".") || result.hasPrefix("'") ? "\\&" + result : result
    }

    private static var markdown: String {
        var text = """
            # Settings

            Every setting by group: its options, its name in files, its default.

            ## Overview

            A setting comes from one of these places; a later one wins: its default; the environment,
            `EVGATEWAY_<NAME>` with the name in upper case, or a variable that others use, too; the configuration
            file that `--config` names; `GUNICORN_CMD_ARGS`, then `EVGATEWAY_CMD_ARGS`; the command line.
            A program's call of `evgateway.serve()` stands for both the command line and these two variables, and reads
            a file only if `config` names one.
            `evgateway --print-config APP` prints each value and where it is from. This page is what
            `evgateway --generate markdown` prints.

            """
        for group in Setting.Group.allCases where group != .gunicorn {
            text += "\n## \(group.title)\n"
            for setting in Setting.all where setting.group == group { text += entry(setting) }
        }
        text += "\n## Hooks\n\nFunctions of a configuration file in Python, with gunicorn's parameters.\n\n"
        for hook in Hook.all { text += "- `\(hook.name)(\(hook.parameters))`: \(hook.help)\n" }
        text +=
            "\n## Settings of gunicorn without effect\n\nThey are taken; the log says once that they do nothing.\n\n"
        for setting in Setting.all {
            if case .accepted(let reason) = setting.verdict { text += "- `\(setting.name)`: \(reason).\n" }
        }
        text += "\n## Settings of gunicorn that are refused\n\nThe server does not start with them.\n\n"
        for setting in Setting.all {
            if case .refused(let reason) = setting.verdict { text += "- `\(setting.name)`: \(reason).\n" }
        }
        return text
    }

    private static func entry(_ setting: Setting) -> String {
        let flags = (setting.flags + setting.offFlags).map { "`\($0)`" }.joined(separator: ", ")
        var text = "\n### \(setting.name)\n\n"
        if !flags.isEmpty { text += flags + (setting.placeholder.isEmpty ? "" : " *\(setting.placeholder)*") + "\n\n" }
        text += Help.wrapped("\(setting.help) \(setting.details)", width: 118).joined(separator: "\n")
        var facts: [String] = []
        if !setting.variables.isEmpty {
            facts.append("`$" + setting.variables.map(\.name).joined(separator: "`, `$") + "`")
        }
        if let standard = setting.standard { facts.append("default `\(standard)`") }
        if !setting.kind.range.isEmpty { facts.append(setting.kind.range) }
        if !facts.isEmpty { text += "\n\n" + facts.joined(separator: "; ") + "." }
        return text + "\n"
    }
}

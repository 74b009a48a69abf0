// `--print-config`: the settings in force as a TOML file that can be given back, each with where it is from.

package enum ConfigurationText {
    package static func text(_ settings: Settings) -> String {
        var text = ""
        for group in Setting.Group.allCases where group != .gunicorn {
            text += (text.isEmpty ? "" : "\n") + "# \(group.title)\n"
            for setting in Setting.all where setting.group == group && !actions.contains(setting.name) {
                let value = setting.kind.show(settings.configuration)
                let line = Self.line(setting, value)
                let padding = String(repeating: " ", count: max(2, 44 - line.utf8.count))
                text += line + padding + "# \(settings.origin(of: setting.name))\n"
            }
        }
        let notes = settings.notes
        if !notes.isEmpty { text += "\n" + notes.map { "# \($0)\n" }.joined() }
        return text
    }

    private static func line(_ setting: Setting, _ value: SettingValue) -> String {
        if value == .none { return "# \(setting.name) is not set" }
        return setting.isSecret ? "# \(setting.name) is set, and not shown" : "\(setting.name) = \(value.toml)"
    }

    /// They do not belong into a file.
    private static let actions: Set = ["config", "check_config", "print_config"]
}

extension SettingValue {
    var toml: String {
        switch self {
        case .none: "''"
        case .text(let text): text.quotedTOML
        case .integer, .boolean: plainText
        case .number(let value): value == value.rounded() ? plainText : String(value)
        case .list(let values): "[\(values.map(\.toml).joined(separator: ", "))]"
        case .table(let entries):
            "{ \(entries.map { "\($0.name.quotedTOML) = \($0.value.toml)" }.joined(separator: ", ")) }"
        }
    }
}

extension String {
    fileprivate var quotedTOML: String {
        var text = "\""
        for scalar in unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }
}

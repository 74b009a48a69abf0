// All rows, and how they are found.

extension Setting {
    /// In the order of the help.
    package static let all: [Setting] =
        bindingRows + socketRows + prefaceRows + gatewayRows + tlsRows + workerRows + lifeRows + stickyRows + timeRows
        + sizeRows + proxyRows + healthRows + gripRows + publishRows + tracingRows + webSocketRows + http2Rows
        + applicationRows + pythonRows + loggingRows + pythonLogRows + processRows + identityRows + developmentRows
        + gunicornRows

    /// The names that mean something in a Python file: `setting`, `hook`, or the right name for a usual mistake.
    package static let namesInFiles: [String: String] = {
        // Not gunicorn's, and usual names of variables in its files.
        let usual: Set = ["host", "port", "name", "max_workers"]
        return namesInCalls.filter { key, meaning in
            !usual.contains(key) && Setting.named(meaning)?.isServed ?? true
        }
    }()

    /// The same for what a program may give to `evgateway.serve`.
    package static let namesInCalls: [String: String] = {
        var names: [String: String] = [:]
        for setting in all {
            for flag in setting.flags where flag.hasPrefix("--") {
                names[String(flag.dropFirst(2)).underscored] = setting.name
            }
        }
        for setting in all { names[setting.name] = "setting" }
        for hook in Hook.all { names[hook.name] = "hook" }
        return names
    }()

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    package static func named(_ name: String) -> Setting? { byName[name] }

    /// By flag: the row, and the value that the flag stands for if it takes none.
    static let byFlag: [String: (setting: Setting, value: SettingValue?)] = {
        var table: [String: (setting: Setting, value: SettingValue?)] = [:]
        for setting in all {
            let isToggle = setting.kind.shape == .toggle && setting.kind.alone == nil
            for flag in setting.flags { table[flag] = (setting, isToggle ? .boolean(true) : nil) }
            for flag in setting.offFlags { table[flag] = (setting, .boolean(false)) }
        }
        return table
    }()
}

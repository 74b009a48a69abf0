// The configuration as the sources fill it, one after the other, the later over the earlier; and where each value is
// from. Nothing is opened here.

import EvLoop

/// Where the value of a setting is from; a later case wins over an earlier one.
package enum Origin: Equatable, Sendable, CustomStringConvertible {
    case standard
    /// An environment variable of this name.
    case variable(String)
    case file(String)
    /// A variable that holds options: `GUNICORN_CMD_ARGS`.
    case arguments(String)
    case commandLine
    /// The program that called `evgateway.serve`.
    case program

    package var description: String {
        switch self {
        case .standard: "default"
        case .variable(let name), .arguments(let name): name
        case .file(let name): name
        case .commandLine: "command line"
        case .program: "evgateway.serve"
        }
    }

    fileprivate var rank: Int {
        switch self {
        case .standard: 0
        case .variable: 1
        case .file: 2
        case .arguments("GUNICORN_CMD_ARGS"): 3
        case .arguments: 4
        case .commandLine: 5
        case .program: 6
        }
    }
}

package struct Settings: Sendable {
    package private(set) var configuration = GatewayConfiguration()
    /// By name of the setting; what is not there has its default.
    package private(set) var origins: [String: Origin] = [:]
    /// How errors name the setting, where it was given.
    private var labels: [String: String] = [:]
    /// The configuration file, as messages name it.
    package var fileRead: String?
    /// Lines of it that were not taken, with the reason.
    package var fileNotes: [String] = []
    /// It is in Python, and this process cannot execute it.
    package var hasPendingPythonFile = false
    /// The settings without a property whose value asks for something.
    private var unserved: [String: SettingValue] = [:]

    package init() {}

    package func origin(of name: String) -> Origin { origins[name] ?? .standard }

    /// How an error about the setting begins.
    package func label(of name: String) -> String { labels[name] ?? Setting.named(name)?.label ?? name }

    package mutating func apply(_ assignments: [Assignment], from origin: Origin) throws(ConfigurationError) {
        for assignment in assignments {
            guard let setting = Setting.named(assignment.name) else { continue }
            origins[setting.name] = origin
            labels[setting.name] = assignment.label
            do throws(ValueError) {
                try set(setting, assignment.value)
            } catch {
                throw ConfigurationError(assignment.label, reason: error.reason)
            }
        }
    }

    private mutating func set(_ setting: Setting, _ value: SettingValue) throws(ValueError) {
        guard setting.isServed else {
            // Whether it asks for something; a later source may take it back.
            do throws(ValueError) {
                try setting.kind.set(&configuration, value)
                unserved[setting.name] = nil
            } catch {
                unserved[setting.name] = value
            }
            return
        }
        if value == .none {
            setting.kind.reset(&configuration)
        } else {
            try setting.kind.set(&configuration, value)
        }
    }

    /// Takes the variables that give settings: those that others use, then those of this server.
    ///
    /// An empty one is one that is not set.
    package mutating func apply(environment: EnvironmentLookup) throws(ConfigurationError) {
        for setting in Setting.all {
            for variable in setting.variables {
                guard let text = environment(variable.name), !text.isEmpty else { continue }
                let value: SettingValue
                do throws(ValueError) {
                    value = .text(try variable.text(text))
                } catch {
                    throw ConfigurationError(variable.name, reason: error.reason)
                }
                try apply([Assignment(setting.name, value, label: variable.name)], from: .variable(variable.name))
            }
            let name = setting.variable
            guard setting.isServed, let text = environment(name), !text.isEmpty else { continue }
            let value =
                setting.kind.shape == .list
                ? SettingValue.list(text.split(separator: ",").map { .text(String($0)) }) : .text(text)
            try apply([Assignment(setting.name, value, label: name)], from: .variable(name))
        }
    }

    /// Takes what concerns several settings, when all sources have been applied.
    package mutating func finish() throws(ConfigurationError) {
        for setting in Setting.all {
            guard case .refused(let instead) = setting.verdict, unserved[setting.name] != nil else { continue }
            throw ConfigurationError(label(of: setting.name), reason: instead)
        }
        try joinHostAndPort()
        try checkAdminBinds()
        try checkPublishBinds()
        try checkTLS()
        do throws(ValueError) {
            try configuration.workerClass.check(configuration.interface)
        } catch {
            throw ConfigurationError(label(of: "interface"), reason: error.reason)
        }
        if let paste = configuration.paste { configuration.application = "paste:\(paste)" }
    }

    private func checkAdminBinds() throws(ConfigurationError) {
        for address in configuration.adminBinds {
            switch address {
            case .inherited, .named:
                throw ConfigurationError(
                    label(of: "admin_bind"),
                    reason: "\(address.text): sockets that are passed on serve the app: write unix:PATH or HOST:PORT")
            case .tcp(_, port: 0): continue
            default: break
            }
            if configuration.binds.contains(address) {
                throw ConfigurationError(
                    label(of: "admin_bind"), reason: "\(address.text) is where the app is served (--bind)")
            }
        }
    }

    /// The settings in force, by their names.
    package var values: [FileSetting] {
        Setting.all.filter(\.isServed).map { FileSetting($0.name, $0.kind.show(configuration)) }
    }

    /// - Throws: if the class that was asked for cannot serve an app of that kind.
    package mutating func resolveWorkerClass(for kind: AppKind) throws(ConfigurationError) {
        do throws(ValueError) {
            configuration.workerClass = try configuration.workerClass.resolved(for: kind)
        } catch {
            throw ConfigurationError(label(of: "worker_class"), reason: error.reason)
        }
    }

    /// Gives a setting its default, and a note says why what the file says of it does not count.
    package mutating func takeBack(_ name: String, _ reason: String) {
        fileNotes.append("\(label(of: name)) has no effect: \(reason)")
        Setting.named(name)?.kind.reset(&configuration)
        origins[name] = nil
    }

    package mutating func take(applicationArguments: [String]) {
        configuration.applicationArguments = applicationArguments
    }

    /// What is said once at the start: what has no effect, with the reason.
    package var notes: [String] {
        fileNotes
            + Setting.all.compactMap { setting in
                guard case .accepted(let reason) = setting.verdict, unserved[setting.name] != nil else { return nil }
                return "\(label(of: setting.name)) has no effect: \(reason)"
            }
    }

    private mutating func joinHostAndPort() throws(ConfigurationError) {
        guard configuration.host != nil || configuration.port != nil else { return }
        let parts = max(origin(of: "host").rank, origin(of: "port").rank)
        let whole = origin(of: "bind").rank
        guard whole <= parts else {
            // They are not in force, and --print-config must not give both.
            (configuration.host, configuration.port) = (nil, nil)
            (origins["host"], origins["port"]) = (nil, nil)
            return
        }
        let host = configuration.host ?? "127.0.0.1"
        let address = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
        let name = configuration.host != nil ? "host" : "port"
        let text = "\(address):\(configuration.port ?? 8000)"
        let (asked, askedBy) = (configuration.bindTexts, label(of: "bind"))
        try apply([Assignment("bind", .text(text), label: label(of: name))], from: origin(of: name))
        // Both may say the same, as what --print-config has printed does.
        guard whole < parts || asked == configuration.bindTexts else {
            throw ConfigurationError(askedBy, reason: "give either this or host and port")
        }
    }
}

extension Assignment {
    /// The settings of a file as assignments.
    ///
    /// - Parameter file: as messages name it.
    /// - Throws: for a name that is no setting.
    package static func all(
        of settings: [FileSetting], in file: String
    ) throws(ConfigurationError) -> [Assignment] {
        var assignments: [Assignment] = []
        for setting in settings {
            let place = setting.line.map { "\(file):\($0)" } ?? file
            let name = setting.name.underscored
            guard Setting.named(name) != nil else {
                throw ConfigurationError(place, reason: Suggestion.unknownSetting(name))
            }
            assignments.append(Assignment(name, setting.value, label: "\(place): \(name)"))
        }
        return assignments
    }
}

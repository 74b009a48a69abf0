// Settings and hooks of a Python host. The work is done by evgateway.config, evgateway.arbiter and evgateway.host; here
// their values are translated. Nothing is asked of Python when there is neither a file nor a hook.

import CPythonBridge
import EvHost
import EvSettings
import EvSupervisor
import Glibc

extension PythonHost {
    /// Calls `evgateway.MODULE.FUNCTION` and returns its answer; nil with the reason logged.
    static func ask(_ module: String, _ function: String, _ argument: SettingValue) -> SettingValue? {
        var answer = evg_py_text()
        let isAnswered = SettingCoding.encode(argument).withUnsafeBytes {
            evg_py_ask("evgateway.\(module)", function, evg_py_text($0), &answer)
        }
        return isAnswered ? SettingCoding.decode(UnsafeRawBufferPointer(answer)) : nil
    }

    package func readConfiguration(
        _ location: String, pythonPath: [String], known: [String: String]
    ) throws(ConfigurationError) -> [FileSetting] {
        let argument = SettingValue.list([
            .text(location), .text(pythonPath.joined(separator: ",")), .texts(known),
        ])
        guard let answer = Self.ask("config", "read", argument) else {
            throw ConfigurationError(location, reason: "the file cannot be read")
        }
        if let reason = answer["reason"]?.text {
            throw ConfigurationError(reason: reason, details: answer["details"]?.text ?? "")
        }
        refreshHooks()
        return answer["settings"]?.items.compactMap(\.fileSetting) ?? []
    }

    package func enter(interpreter: String) -> String? {
        Self.ask("library", "enter", .text(interpreter))?.text
    }

    package var givenSettings: [FileSetting]? {
        let answer = Self.ask("state", "given_settings", .none)
        refreshHooks()
        guard case .list(let items)? = answer else { return nil }
        return items.compactMap(\.fileSetting)
    }

    package func setEnvironment(_ variables: [(name: String, value: String?)]) {
        guard !variables.isEmpty else { return }
        _ = Self.ask(
            "state", "set_environment",
            .list(variables.map { .list([.text($0.name), $0.value.map { .text($0) } ?? .none]) }))
    }

    package func configured(_ settings: SettingsInForce) {
        ErrorSink.install(settings.logger, settings.errorLog)
        HostAnswers.workers = settings.workers
        let list = SettingValue.list(
            settings.settings.map { .list([.text($0.name), $0.value, $0.line.map { .integer($0) } ?? .none]) })
        _ = Self.ask(
            "state", "configured",
            .list([list, .texts(settings.binds), settings.application.map { .text($0) } ?? .none]))
        refreshHooks()
    }

    package func callHook(
        _ moment: HookMoment, worker: WorkerIdentity?, new: Int?, old: Int?
    ) throws(ApplicationError) {
        guard definedHooks.contains(moment.rawValue) else { return }
        if let worker, moment == .postFork { HostAnswers.begin(worker) }
        let argument = SettingValue.list([
            .text(moment.rawValue),
            worker.map { .list([.integer($0.index), .integer($0.age), .integer(Int($0.pid))]) } ?? .none,
            new.map { .integer($0) } ?? .none, old.map { .integer($0) } ?? .none,
        ])
        let unasked = SettingValue.table([.init("reason", .text("the hook \(moment.rawValue) cannot be called"))])
        let answer = Self.ask("arbiter", "call_hook", argument) ?? unasked
        guard let reason = answer["reason"]?.text else { return }
        switch moment {
        case .onStarting, .whenReady, .preExec: throw ApplicationError(reason, exitCode: 1)
        case .postFork, .postWorkerInit: throw ApplicationError(reason, exitCode: ApplicationError.bootFailure)
        default: return
        }
    }

    /// A worker with Flask holds 4 MB less of its own. Under gevent, nothing may be imported before it patches the
    /// standard library.
    package func prepareToFork(_ configuration: GatewayConfiguration) {
        guard configuration.workers > 1, configuration.workerClass != .gevent, !configuration.preload else { return }
        _ = Self.ask("shared", "load", .texts(configuration.pythonPath))
    }

    private func refreshHooks() {
        let names = Self.ask("state", "defined_hooks", .none)?.items.compactMap(\.text) ?? []
        hooks = Set(names)
    }

    /// In a worker that has loaded its app.
    func wrapWithHooks(_ configuration: GatewayConfiguration) throws(ApplicationError) {
        guard hooks.contains("pre_request") || hooks.contains("post_request") else { return }
        if evg_py_wrap_app(configuration.workerClass == .asgi) { return }
        throw ApplicationError("the hooks of requests cannot be used", exitCode: ApplicationError.bootFailure)
    }
}

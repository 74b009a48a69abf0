// Which log a Python app's server has: its own, or Python's logging where settings ask for that.

import CPythonBridge
import EvHost
import EvLoop
import EvServer
import EvSettings
import Logging

extension PythonHost {
    func checkLog(_ settings: Settings) throws(ConfigurationError) {
        guard settings.configuration.asksForPythonLog else { return }
        let list = SettingValue.list(
            settings.values.map { .list([.text($0.name), $0.value, $0.line.map { .integer($0) } ?? .none]) })
        try Self.report(Self.ask("pylog", "check", list), settings)
    }

    func openLog(_ settings: Settings, _ log: ErrorLog) throws(ConfigurationError) {
        let configuration = settings.configuration
        if configuration.capturesOutput { _ = Self.ask("logqueue", "capture", .none) }
        guard configuration.asksForPythonLog else {
            guard PythonLog.isOn else { return }
            PythonLog.close(log)
            _ = Self.ask("pylog", "close", .none)
            return
        }
        let answer = Self.ask("pylog", "open", .none)
        try Self.report(answer, settings)
        PythonLog.open(log)
        if let level = answer?["level"]?.integer { log.level = Logger.Level(ofPython: level) }
        if let note = answer?["note"]?.text {
            log.makeLogger(label: "evgateway").warning("\(settings.label(of: "logconfig_json")): \(note)")
        }
    }

    func reopenLog() { PythonLog.reopen() }

    func accessLogObserver(of configuration: GatewayConfiguration) -> (any AccessLogObserver)? {
        guard PythonLog.isOn, Self.ask("pylog", "asks_for_requests", .none) == .boolean(true) else { return nil }
        return PythonAccessLog(hasOwnForm: ["json", "logfmt"].contains(configuration.accessLogFormat))
    }

    private static func report(_ answer: SettingValue?, _ settings: Settings) throws(ConfigurationError) {
        guard let answer else { throw ConfigurationError(reason: "Python's logging cannot be configured") }
        guard let reason = answer["reason"]?.text else { return }
        throw ConfigurationError(settings.label(of: answer["setting"]?.text ?? "logger_class"), reason: reason)
    }
}

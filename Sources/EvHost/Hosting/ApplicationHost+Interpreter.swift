// `--python` where no launcher has chosen the interpreter: with the command of a wheel, or `python -m evgateway`.

import EvSettings

extension ApplicationHost {
    /// Becomes the interpreter that the settings name, and then does not return. Returns if none is named, or if the
    /// process is it already. As in the launcher, a configuration file in Python has no say: it must be read by one.
    func enterInterpreter(_ reader: SettingsReader) throws(ConfigurationError) {
        guard kind == .python else { return }
        let settings = try reader.read(looksForUsual: true, python: nil)
        guard settings.configuration.python != nil else { return }
        let locator = AppLocator(
            startFolder: reader.startFolder, configuration: settings.configuration, environment: reader.environment)
        guard let reason = enter(interpreter: try locator.interpreter()) else { return }
        throw ConfigurationError(settings.label(of: "python"), reason: reason)
    }
}

// The settings as a host reads them: with a configuration file in its own language.

import EvSettings
import Glibc

extension ApplicationHost {
    func readSettings(_ reader: SettingsReader) throws(ConfigurationError) -> Settings {
        var isPython = false
        var settings = try reader.read(looksForUsual: kind == .python) {
            [self] (location, name, early) throws(ConfigurationError) in
            try early.enterFolder(reader)
            isPython = true
            do throws(ConfigurationError) {
                return try readConfiguration(
                    location, pythonPath: early.configuration.pythonPath, known: Setting.namesInFiles)
            } catch {
                // The file as the operator names it.
                let line = error.description
                let reason = line.hasPrefix(location) ? name + line.dropFirst(location.count) : line
                throw ConfigurationError(reason: reason, details: error.details)
            }
        }
        if isPython, case .file = settings.origin(of: "python") {
            settings.takeBack("python", "the interpreter is chosen before the file is read: write --python")
        }
        if kind == .swift {
            for name in Setting.ofPythonLog where settings.origin(of: name) != .standard {
                settings.takeBack(name, "it is about Python's logging, and this app is in Swift")
            }
        }
        if settings.configuration.reload, kind == .swift {
            settings.takeBack("reload", "a Swift app is a program: build it, and start it again")
        }
        if settings.configuration.reload, settings.configuration.preload {
            settings.takeBack("preload_app", "with --reload each worker loads the app itself")
        }
        for name in ["reload_extra_files", "reload_excludes"] where settings.isIdle(name) {
            settings.fileNotes.append("\(settings.label(of: name)) has no effect without --reload")
        }
        try settings.resolveWorkerClass(for: kind)
        if kind == .python, settings.configuration.application == nil, !settings.configuration.printsConfiguration {
            throw ConfigurationError(reason: "no APP given: name it on the command line, or as wsgi_app in the file")
        }
        if kind == .swift, let word = settings.configuration.application,
            settings.origin(of: "wsgi_app") == .commandLine
        {
            throw ConfigurationError(
                reason: "unexpected argument '\(word)': this program is the app; its own arguments go after '--'")
        }
        return settings
    }
}

extension Settings {
    /// Whether a setting about `--reload` was given without it.
    fileprivate func isIdle(_ name: String) -> Bool {
        guard !configuration.reload, let setting = Setting.named(name) else { return false }
        return setting.kind.show(configuration) != .list([])
    }

    /// Changes to `--chdir`, or back to where the server was started.
    func enterFolder(_ reader: SettingsReader) throws(ConfigurationError) {
        let folder = FilePath.absolute(configuration.changeDirectory ?? ".", in: reader.startFolder)
        guard chdir(folder) == 0 else {
            throw ConfigurationError.cannotChange(to: folder, label(of: "chdir"))
        }
    }
}

// The environment: that of the process, and what `--env` and `--env-file` add to it for the app.

import EvSettings
import Glibc

enum AppEnvironment {
    /// Every variable of the process.
    static func all() -> [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            // The first of two with the same name is the one that getenv finds.
            if parts.count == 2, variables[String(parts[0])] == nil { variables[String(parts[0])] = String(parts[1]) }
            entry += 1
        }
        return variables
    }

    /// What the settings add: of a file only what was not set when the server started.
    static func variables(
        _ configuration: GatewayConfiguration, _ reader: SettingsReader
    ) throws(ConfigurationError) -> [(name: String, value: String)] {
        var variables: [(name: String, value: String)] = []
        for file in configuration.environmentFiles {
            let text = try TextFile.read(FilePath.absolute(file, in: reader.startFolder), name: file)
            do throws(FileSyntaxError) {
                variables += try EnvironmentFile.read(text).filter { reader.environment($0.name) == nil }
            } catch {
                throw ConfigurationError(error.line.map { "\(file):\($0)" } ?? file, reason: error.reason)
            }
        }
        for text in configuration.environment {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            variables.append((String(parts[0]), parts.count > 1 ? String(parts[1]) : ""))
        }
        return variables
    }
}

extension SettingsReader {
    /// A sentence for each variable that looks like a misspelt setting.
    var unknownVariables: [String] {
        let known = Setting.all.map(\.variable) + ["EVGATEWAY_CMD_ARGS", "EVGATEWAY_LIBRARY"]
        return AppEnvironment.all().keys.filter { $0.hasPrefix("EVGATEWAY_") && !known.contains($0) }.sorted()
            .compactMap { name in
                Suggestion.nearest(to: name, among: known).map { "\(name) is no setting; did you mean \($0)?" }
            }
    }
}

// What the tests of this target use: configurations from command lines, and temporary folders.

import EvHost
import EvSettings
import Glibc
import Testing

/// The settings that a command line gives in an environment; no file is looked for.
func settings(_ words: [String], environment: [String: String] = [:]) throws -> Settings {
    let reader = try SettingsReader(arguments: words, startFolder: "/", environment: { environment[$0] })
    guard reader.commandLine.question == nil else {
        throw ConfigurationError(reason: "the command line asks for text")
    }
    return try reader.read(looksForUsual: false, python: nil)
}

/// The configuration that a command line gives in an environment.
func configuration(_ words: [String], environment: [String: String] = [:]) throws -> GatewayConfiguration {
    try settings(words, environment: environment).configuration
}

/// The error of a command line; empty if it has none.
func failure(_ words: [String], environment: [String: String] = [:]) -> String {
    do {
        _ = try configuration(words, environment: environment)
        return ""
    } catch {
        return "\(error)"
    }
}

/// A folder that is removed when this object is released.
final class TemporaryFolder {
    let path: String

    init() {
        var template = Array("/tmp/evgateway-tests-XXXXXX".utf8CString)
        path = mkdtemp(&template).map { String(cString: $0) } ?? "/nonexistent"
    }

    deinit { remove(path) }

    @discardableResult
    func file(_ name: String, _ text: String = "", mode: mode_t = 0o644) -> String {
        let full = "\(path)/\(name)"
        for slash in name.indices where name[slash] == "/" { _ = mkdir("\(path)/\(name[..<slash])", 0o755) }
        let descriptor = open(full, O_WRONLY | O_CREAT | O_TRUNC, mode)
        let bytes = Array(text.utf8)
        _ = write(descriptor, bytes, bytes.count)
        _ = fchmod(descriptor, mode)
        _ = close(descriptor)
        return full
    }

    func text(_ name: String) -> String {
        let descriptor = open("\(path)/\(name)", O_RDONLY)
        guard descriptor >= 0 else { return "" }
        defer { _ = close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    private func remove(_ folder: String) {
        guard let directory = opendir(folder) else { return }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name != ".", name != ".." else { continue }
            if unlink("\(folder)/\(name)") != 0 { remove("\(folder)/\(name)") }
        }
        closedir(directory)
        rmdir(folder)
    }
}

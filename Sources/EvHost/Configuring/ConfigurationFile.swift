// The configuration file: which it is, and what stands in it. One in Python is not read here: its place is told, and
// the host executes it.

import EvLoop
import EvSettings
import Glibc

/// What `--config` names, or what is found without it.
package enum ConfigurationFile: Equatable, Sendable {
    /// `python:MODULE`, or the absolute path of a file in Python.
    case python(String)
    /// Absolute path of a TOML file, and the table in it: none, or `tool.evgateway`.
    case toml(String, table: [String])
    /// Absolute path of a `uwsgi.ini`.
    case uwsgi(String)

    /// Tried in the start folder, in this order, when no file is named.
    private static let usual = ["evgateway.conf.py", "gunicorn.conf.py"]

    /// Reads `FILE.py`, `file:PATH`, `python:MODULE`, `FILE.toml`, `pyproject.toml`, `FILE.ini`.
    ///
    /// - Parameter folders: absolute; where a relative path is looked for, the first first.
    package init(named location: String, in folders: [String]) {
        if location.hasPrefix("python:") {
            self = .python(location)
            return
        }
        let name = location.hasPrefix("file:") ? String(location.dropFirst(5)) : location
        let paths = folders.map { FilePath.absolute(name, in: $0) }
        let path = paths.first(where: FilePath.isFile) ?? paths[0]
        if path.hasSuffix("/pyproject.toml") {
            self = .toml(path, table: ["tool", "evgateway"])
        } else if path.hasSuffix(".toml") {
            self = .toml(path, table: [])
        } else if path.hasSuffix(".ini") {
            self = .uwsgi(path)
        } else {
            self = .python(path)
        }
    }

    /// The file that is read where none is named; nil if there is none.
    package static func usual(in folders: [String]) -> ConfigurationFile? {
        for folder in folders {
            for name in usual {
                let path = FilePath.absolute(name, in: folder)
                if FilePath.isFile(path) { return .python(path) }
            }
        }
        return nil
    }

    /// As the log and errors name it: the path without `folder` where it lies in there.
    package func name(in folder: String) -> String {
        switch self {
        case .python(let path), .toml(let path, _), .uwsgi(let path):
            path.hasPrefix(folder + "/") ? String(path.dropFirst(folder.utf8.count + 1)) : path
        }
    }
}

enum TextFile {
    /// The content as UTF-8.
    ///
    /// - Parameter name: as the error names the file.
    static func read(_ path: String, name: String) throws(ConfigurationError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(name) }
        defer { _ = close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw failure(name) }
            guard count > 0 else { break }
            bytes += buffer[..<count]
            guard bytes.count <= 16 << 20 else { throw ConfigurationError(name, reason: "is larger than 16 MiB") }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ConfigurationError(name, reason: "is not UTF-8")
        }
        return text
    }

    private static func failure(_ name: String) -> ConfigurationError {
        ConfigurationError(name, reason: "cannot read it: \(String(cString: strerror(errno)))")
    }
}

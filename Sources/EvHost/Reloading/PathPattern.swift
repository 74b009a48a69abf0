// A glob over absolute paths: `*`, `?` and `[...]` within a name, `**` for any number of folders. As in Python's glob,
// a name that begins with a dot is matched only by a pattern that does, too.

import Glibc

package struct PathPattern: Equatable, Sendable {
    private let parts: [String]
    /// The part before the first wildcard: a folder, or the path itself where there is none.
    package let base: String

    /// - Parameter text: absolute.
    package init(_ text: String) {
        parts = Self.names(text)
        let fixed = parts.prefix { !Self.isGlob($0) }
        base = "/" + fixed.joined(separator: "/")
    }

    static func isGlob(_ text: String) -> Bool { text.contains { "*?[".contains($0) } }

    static func names(_ path: String) -> [String] { path.split(separator: "/").map(String.init) }

    package func matches(_ path: String) -> Bool { Self.matches(parts[...], Self.names(path)[...], whole: true) }

    /// Returns true if a match may lie below this folder.
    package func mayMatch(below folder: String) -> Bool {
        Self.matches(parts[...], Self.names(folder)[...], whole: false)
    }

    private static func matches(_ parts: ArraySlice<String>, _ names: ArraySlice<String>, whole: Bool) -> Bool {
        guard let part = parts.first else { return names.isEmpty && whole }
        guard let name = names.first else { return whole ? parts.allSatisfy { $0 == "**" } : true }
        if part == "**" {
            if matches(parts.dropFirst(), names, whole: whole) { return true }
            return !name.hasPrefix(".") && matches(parts, names.dropFirst(), whole: whole)
        }
        return fnmatch(part, name, FNM_PERIOD) == 0 && matches(parts.dropFirst(), names.dropFirst(), whole: whole)
    }
}

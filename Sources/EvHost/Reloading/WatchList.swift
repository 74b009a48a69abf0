// Which changes restart a worker: those of the files of its app, and of what the operator names. A value without I/O.

import Glibc

package struct WatchList: Sendable {
    private let patterns: [PathPattern]
    private let excludes: [ReloadPlan.Exclude]
    private(set) var files: Set<String> = []
    /// The app could not be loaded, so what it lacks is not known by name: each module, and each folder, may be it.
    package var wantsModules = false

    package init(_ plan: ReloadPlan) {
        patterns = plan.patterns
        excludes = plan.excludes
        for file in plan.files { files.insert(file) }
    }

    /// Returns true if the file is new on the list.
    package mutating func add(_ file: String) -> Bool { !isExcluded(file) && files.insert(file).inserted }

    /// Whether a change of this entry counts.
    package func concerns(_ path: String, isFolder: Bool) -> Bool {
        if files.contains(path) { return true }
        let name = path.split(separator: "/").last ?? ""
        guard !isExcluded(path), !Self.isTemporary(name) else { return false }
        if wantsModules, !name.hasPrefix("."), isFolder || name.hasSuffix(".py") { return true }
        return !isFolder && patterns.contains { $0.matches(path) }
    }

    /// Whether what is below this folder may count by a pattern.
    package func concernsSome(below folder: String) -> Bool {
        !isExcluded(folder) && folder.split(separator: "/").last != "__pycache__"
            && patterns.contains { $0.mayMatch(below: folder) }
    }

    /// Where patterns begin.
    var roots: Set<String> { Set(patterns.map(\.base)) }

    private func isExcluded(_ path: String) -> Bool {
        excludes.contains { exclude in
            switch exclude {
            case .name(let pattern): PathPattern.names(path).contains { fnmatch(pattern, $0, 0) == 0 }
            case .path(let pattern): Self.parents(path).contains { pattern.matches($0) }
            }
        }
    }

    /// The path, and each folder above it.
    private static func parents(_ path: String) -> [String] {
        let names = PathPattern.names(path)
        return names.indices.map { "/" + names[...$0].joined(separator: "/") }
    }

    /// What editors and Python write beside a file.
    private static func isTemporary(_ name: Substring) -> Bool {
        name.hasSuffix("~") || name.hasSuffix(".swp") || name.hasSuffix(".swx") || name.hasSuffix(".pyc")
            || name == "__pycache__" || name == "4913"
    }
}

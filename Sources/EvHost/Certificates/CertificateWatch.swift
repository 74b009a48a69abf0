// Where a change is a change of certificates: folders, because whoever renews a file puts a new one in its place, and
// the names in them that count, because a folder may be busy with other things.

import EvLoop
import EvSettings

struct CertificateWatch {
    /// The names that count in each folder; nil for all.
    private(set) var folders: [String: Set<String>?] = [:]

    init(_ settings: Settings) {
        let configuration = settings.configuration
        let files = [
            configuration.certificateFile, configuration.keyFile, configuration.authoritiesFile,
            configuration.stapleFile,
        ]
        for file in files.compactMap(\.self) {
            let path = FilePath.absolute(file, in: FilePath.workingFolder())
            add(path)
            if let target = FilePath.target(of: path) { add(target) }
        }
        guard let name = configuration.certificateFolder else { return }
        let folder = FilePath.absolute(name, in: FilePath.workingFolder())
        folders[folder] = .some(nil)
        for (name, isFolder) in FilePath.entries(of: folder) where isFolder {
            folders[FilePath.absolute(name, in: folder)] = .some(nil)
        }
    }

    private mutating func add(_ path: String) {
        guard let slash = path.lastIndex(of: "/") else { return }
        let folder = slash == path.startIndex ? "/" : String(path[..<slash])
        let known = folders[folder] ?? []
        folders[folder] = known.map { $0.union([String(path[path.index(after: slash)...])]) }
    }

    /// - Parameter name: of an entry of the folder that has changed.
    func concerns(_ name: String, in folder: String) -> Bool {
        guard let names = folders[folder] else { return false }
        // Kubernetes renames a link of which all files are a part: `..data`.
        return names.map { $0.contains(name) || name.hasPrefix("..") } ?? true
    }
}

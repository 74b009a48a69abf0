// `--reload`: what a worker watches beside the modules of its app, from the settings of the master.

package import EvSettings

package struct ReloadPlan: Sendable {
    var engine: ReloadEngine
    /// Absolute paths of files that need not exist.
    var files: [String] = []
    var patterns: [PathPattern] = []
    var excludes: [Exclude] = []
    /// Where modules are looked for: if the app cannot be loaded, one that is missing may appear there.
    var moduleFolders: [String] = []
    /// Where the server was started; the log names files from there.
    var folder: String

    /// What is never watched.
    enum Exclude: Equatable, Sendable {
        /// A glob for a name, which may be that of a folder above.
        case name(String)
        /// A glob for a path, and all that lies below.
        case path(PathPattern)

        init(_ text: String, in folder: String) {
            self = text.contains("/") ? .path(PathPattern(FilePath.absolute(text, in: folder))) : .name(text)
        }
    }
}

extension ReloadPlan {
    /// - Returns: nil without `--reload`.
    package init?(_ settings: Settings, _ reader: SettingsReader) {
        let configuration = settings.configuration
        guard configuration.reload else { return nil }
        folder = FilePath.absolute(configuration.changeDirectory ?? ".", in: reader.startFolder)
        engine = configuration.reloadEngine
        files = configuration.environmentFiles.map { FilePath.absolute($0, in: reader.startFolder) }
        if let file = settings.fileRead, !file.hasPrefix("python:") {
            files.append(FilePath.absolute(file, in: reader.startFolder))
        }
        for entry in configuration.reloadExtraFiles {
            let path = FilePath.absolute(entry, in: folder)
            if PathPattern.isGlob(path), !FilePath.exists(path) {
                patterns.append(PathPattern(path))
            } else if FilePath.isFolder(path) {
                patterns.append(PathPattern(path.hasSuffix("/") ? path + "**/*" : path + "/**/*"))
            } else {
                files.append(path)
            }
        }
        excludes = configuration.reloadExcludes.map { Exclude($0, in: folder) }
        moduleFolders = [folder] + configuration.pythonPath.map { FilePath.absolute($0, in: folder) }
    }
}

// Path arithmetic, and what the file system says about paths.

import Glibc

enum FilePath {
    /// `path` itself when it is absolute, else below `folder`. No dots or links are resolved but a leading `./`.
    static func absolute(_ path: String, in folder: String) -> String {
        if path.hasPrefix("/") { return path }
        if path == "." { return folder }
        let relative = path.hasPrefix("./") ? String(path.dropFirst(2)) : path
        return folder.hasSuffix("/") ? folder + relative : "\(folder)/\(relative)"
    }

    /// A regular file, or a link to one.
    static func isFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// What a link leads to in the end; nil for what is no link, or leads nowhere.
    static func target(of path: String) -> String? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK, let target = realpath(path, nil) else {
            return nil
        }
        defer { free(target) }
        return String(cString: target)
    }

    /// The entries of a folder, links resolved; none if it cannot be read.
    static func entries(of folder: String) -> [(name: String, isFolder: Bool)] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var entries: [(name: String, isFolder: Bool)] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name != ".", name != ".." else { continue }
            let type = Int(entry.pointee.d_type)
            let isFolder = type == DT_DIR || type != DT_REG && isFolder(absolute(name, in: folder))
            entries.append((name, isFolder))
        }
        return entries
    }

    static func isExecutable(_ path: String) -> Bool { access(path, X_OK) == 0 }

    static func isExecutableFile(_ path: String) -> Bool { isFile(path) && isExecutable(path) }

    /// The running program, links resolved; nil if `/proc` cannot be read.
    static func program() -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes { raw in
            raw.withMemoryRebound(to: CChar.self) { text in
                text.baseAddress.map { readlink("/proc/self/exe", $0, text.count) } ?? -1
            }
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    /// Its folder.
    static func programFolder() -> String? {
        guard let path = program(), let slash = path.lastIndex(of: "/") else { return nil }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The working folder; `.` if it cannot be found out.
    static func workingFolder() -> String {
        guard let path = getcwd(nil, 0) else { return "." }
        defer { free(path) }
        return String(cString: path)
    }
}

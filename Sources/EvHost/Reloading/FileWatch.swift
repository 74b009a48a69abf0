// Watches the files of a list, with inotify, or by looking at them once a second where no events come. Files are added
// on any thread of the app, and watched before they are read; changes are told on the loop.

import EvLoop
import Glibc
import Logging
import Synchronization

final class FileWatch: Sendable {
    private struct State {
        var list: WatchList
        /// The names of a folder, by the number of its watch.
        var folders: [Int32: Set<String>] = [:]
        var watched: Set<String> = []
        /// When the folder cannot be watched, it is said once.
        var hasFailed = false
        /// For polling: what each file was.
        var stamps: [String: FileStamp] = [:]
    }

    private let state: Mutex<State>
    private let adder: Inotify.Adder?
    private let logger: Logger

    /// - Parameter adder: nil where files are polled.
    init(_ plan: ReloadPlan, _ adder: Inotify.Adder?, _ logger: Logger) {
        state = Mutex(State(list: WatchList(plan)))
        self.adder = adder
        self.logger = logger
        for file in plan.files { begin(file) }
        for folder in plan.moduleFolders { watch(folder) }
        for root in state.withLock({ $0.list.roots }) { watchTree(FilePath.isFolder(root) ? root : parent(of: root)) }
        if adder == nil { _ = poll() }
    }

    /// Adds a file, under its name and under the one that it is a link to.
    func add(_ file: String) {
        if state.withLock({ $0.list.add(file) }) { begin(file) }
    }

    /// From now on, modules that appear count, too.
    func wantModules() {
        state.withLock { $0.list.wantsModules = true }
        if adder == nil { _ = poll() }
    }

    private func begin(_ file: String) {
        watch(parent(of: file))
        if let target = FilePath.target(of: file), state.withLock({ $0.list.add(target) }) {
            watch(parent(of: target))
        }
        if adder == nil { state.withLock { $0.stamps[file] = FileStamp(file) } }
    }

    private func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    // MARK: Events

    private func watch(_ folder: String) {
        guard state.withLock({ $0.watched.insert(folder).inserted }), let adder else { return }
        do throws(SystemError) {
            let number = try adder.add(folder)
            state.withLock { _ = $0.folders[number, default: []].insert(folder) }
        } catch {
            // A folder that is not there yet: whatever makes it is seen in the one above.
            guard error.errno != ENOENT, error.errno != ENOTDIR else { return }
            let isFirst = state.withLock { state in
                defer { state.hasFailed = true }
                return !state.hasFailed
            }
            if isFirst {
                logger.warning("--reload cannot watch \(folder): \(error); --reload-engine poll needs no watch")
            }
        }
    }

    /// Watches a folder and those below, as far as patterns reach. Returns the files in it that count.
    @discardableResult
    private func watchTree(_ folder: String) -> [String] {
        guard state.withLock({ $0.list.concernsSome(below: folder) }) else { return [] }
        watch(folder)
        var files: [String] = []
        for (name, isFolder) in FilePath.entries(of: folder) {
            let path = FilePath.absolute(name, in: folder)
            if isFolder {
                files += watchTree(path)
            } else if state.withLock({ $0.list.concerns(path, isFolder: false) }) {
                files.append(path)
            }
        }
        return files
    }

    /// Returns the files that have changed and count. On the loop.
    func changes(_ events: [Inotify.Event]) -> [String] {
        var changed: [String] = []
        for event in events {
            switch event {
            case .overflow:
                changed.append("more files than can be told")
            case .ended(let number):
                state.withLock { state in state.watched.subtract(state.folders.removeValue(forKey: number) ?? []) }
            case .changed(let number, let name, let isFolder):
                for folder in state.withLock({ $0.folders[number] ?? [] }) {
                    let path = FilePath.absolute(name, in: folder)
                    if state.withLock({ $0.list.concerns(path, isFolder: isFolder) }) { changed.append(path) }
                    if isFolder { changed += watchTree(path) }
                }
            }
        }
        return changed
    }

    // MARK: Polling

    /// Looks at all files. Returns those that are not what they were at the last look.
    func poll() -> [String] {
        let (list, folders) = state.withLock { ($0.list, $0.watched) }
        var found = list.files
        for root in list.roots { found.formUnion(watchTree(FilePath.isFolder(root) ? root : parent(of: root))) }
        if list.wantsModules {
            for folder in folders {
                for (name, isFolder) in FilePath.entries(of: folder) {
                    let path = FilePath.absolute(name, in: folder)
                    if list.concerns(path, isFolder: isFolder) { found.insert(path) }
                }
            }
        }
        let stamps = Dictionary(uniqueKeysWithValues: found.map { ($0, FileStamp($0)) })
        return state.withLock { state in
            defer { state.stamps.merge(stamps) { $1 } }
            return stamps.filter { path, stamp in state.stamps[path] != stamp }.keys.sorted()
        }
    }
}

/// What tells one content of a file from another; of a file that is not there, nothing.
struct FileStamp: Equatable, Sendable {
    private var modified = timespec()
    private var (size, inode) = (0, UInt(0))

    init(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        modified = status.st_mtim
        (size, inode) = (Int(status.st_size), UInt(status.st_ino))
    }

    static func == (left: FileStamp, right: FileStamp) -> Bool {
        left.modified.tv_sec == right.modified.tv_sec && left.modified.tv_nsec == right.modified.tv_nsec
            && left.size == right.size && left.inode == right.inode
    }
}

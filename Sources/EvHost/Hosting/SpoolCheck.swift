// At the start of the master: checks whether large request bodies can be spooled in the folders that the operator set.
// The warning is logged here, once, and not by each worker.

import EvLoop
import EvServer
import EvSettings
import Glibc
import Logging

extension SpoolConfiguration {
    /// Tries the folders until one can be used, and warns about those before it.
    ///
    /// Relative names are resolved here: an app may change the current folder.
    mutating func check(_ logger: Logger) {
        folders = folders.map(absolutePath)
        var problems: [String] = []
        var usable: String?
        for folder in folders {
            guard let problem = Spool.problem(of: folder) else {
                usable = folder
                break
            }
            reported.insert(folder)
            problems.append("\(folder) (\(SystemError.message(problem.errno)))")
        }
        guard !problems.isEmpty else { return }
        let tried = problems.joined(separator: ", ")
        if let usable {
            logger.warning("Request bodies cannot be spooled in \(tried): \(usable) is used")
        } else {
            logger.warning(
                """
                Request bodies cannot be spooled in \(tried): large ones are kept in memory, \
                up to \(memoryPerBody >> 20) MiB each and \(memoryPerWorker >> 20) MiB in each worker
                """)
        }
    }
}

private func absolutePath(_ path: String) -> String {
    guard !path.hasPrefix("/"), let current = getcwd(nil, 0) else { return path }
    defer { free(current) }
    return path == "." ? String(cString: current) : "\(String(cString: current))/\(path)"
}

extension WorkerClass {
    /// True if apps of this class may be called after their body was read; other classes read a body as it arrives.
    var spoolsBodies: Bool { self == .inline || self == .threads || self == .gevent }
}

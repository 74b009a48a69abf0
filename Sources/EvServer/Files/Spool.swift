// Request bodies that are too large for the heap: each in an unlinked file in the first folder that takes one, and in
// a file in memory (memfd_create) where none does. Law: memory is bounded; what goes wrong is logged once with the
// folder, and again only after that folder has taken a body in between.

package import EvLoop
import Glibc
import HTTPCore
package import Logging

package struct SpoolConfiguration: Sendable {
    /// Tried in this order, for every body anew.
    package var folders = ["/tmp"]
    /// Of those, the ones of which the log says already that they cannot be used.
    package var reported: Set<String> = []
    /// Bytes in memory, of one body and of all bodies of a worker, where no folder can be used.
    package var memoryPerBody = 64 << 20
    package var memoryPerWorker = 256 << 20

    package init() {}

    /// The folders that Python's `tempfile` tries, in its order: `$TMPDIR`, `$TEMP`, `$TMP`, those that systems have,
    /// the current one.
    /// - Parameter environment: looks a variable up.
    package init(environment: (String) -> String?) {
        let named = ["TMPDIR", "TEMP", "TMP"].compactMap { environment($0) }.filter { !$0.isEmpty }
        folders = []
        for folder in named + ["/tmp", "/var/tmp", "/usr/tmp", "."] where !folders.contains(folder) {
            folders.append(folder)
        }
    }
}

@LoopActor
package final class Spool {
    private let configuration: SpoolConfiguration
    private let logger: Logger
    private var reported: Set<String>
    private var hasReportedMemory = false

    private enum Place {
        case folder(String)
        /// The inode tells whether the descriptor is still that of the file.
        case memory(inode: UInt, bytes: Int)
    }
    /// By descriptor. Whoever gets a file closes it without a word, so an entry may outlive its file; it is replaced
    /// when the number is used again.
    private var places: [Int32: Place] = [:]

    package init(_ configuration: SpoolConfiguration, _ logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        reported = configuration.reported
    }

    /// A new file with these bytes at offset 0.
    /// - Returns: its descriptor, the caller's to close.
    /// - Throws: `SystemError`, logged already: EFBIG or ENOSPC when memory may not hold as much, or why there is none.
    package func begin(with bytes: UnsafeRawBufferPointer) throws(SystemError) -> Int32 {
        for folder in configuration.folders {
            do throws(SystemError) {
                let file = try Self.fill(try TemporaryFile.open(in: folder), bytes)
                places[file] = .folder(folder)
                reported.remove(folder)
                return file
            } catch { report(error, in: folder) }
        }
        return try beginInMemory(bytes)
    }

    /// Adds bytes to a file that `begin` made and that holds `offset` bytes.
    /// - Throws: `SystemError`, logged already.
    package func append(_ bytes: UnsafeRawBufferPointer, to file: Int32, at offset: Int) throws(SystemError) {
        switch places[file] {
        case .memory(let inode, let held):
            try allowInMemory(bytes.count, of: held + bytes.count)
            try Self.write(bytes, to: file, at: offset)
            places[file] = .memory(inode: inode, bytes: held + bytes.count)
        case .folder(let folder):
            do { try Self.write(bytes, to: file, at: offset) } catch {
                report(error, in: folder)
                throw error
            }
        case nil:
            try Self.write(bytes, to: file, at: offset)
        }
    }

    /// Why a folder cannot be used; nil when it can.
    private nonisolated static var probe: StaticString { " " }

    package nonisolated static func problem(of folder: String) -> SystemError? {
        do throws(SystemError) {
            Socket.close(try fill(try TemporaryFile.open(in: folder), probe.bytes))
            return nil
        } catch { return error }
    }

    // MARK: - In memory

    private func beginInMemory(_ bytes: UnsafeRawBufferPointer) throws(SystemError) -> Int32 {
        let count = bytes.count
        try allowInMemory(count, of: count)
        do throws(SystemError) {
            let file = try Self.fill(try TemporaryFile.openInMemory(), bytes)
            places[file] = Self.inode(of: file).map { .memory(inode: $0, bytes: count) }
            return file
        } catch {
            reportMemory("A request body was refused: it can be kept neither in a folder nor in memory", error)
            throw error
        }
    }

    private func allowInMemory(_ count: Int, of body: Int) throws(SystemError) {
        if body > configuration.memoryPerBody {
            let error = SystemError("a request body in memory", errno: EFBIG)
            reportMemory("A request body was refused: it fits no folder, and is too large for memory", error)
            throw error
        }
        if count + memoryInUse() > configuration.memoryPerWorker {
            let error = SystemError("request bodies in memory", errno: ENOSPC)
            reportMemory("A request body was refused: it fits no folder, and memory holds too many others", error)
            throw error
        }
    }

    /// Bytes in the files in memory that are still open.
    private func memoryInUse() -> Int {
        var total = 0
        for (file, place) in places {
            guard case .memory(let inode, let bytes) = place else { continue }
            if Self.inode(of: file) == inode { total += bytes } else { places[file] = nil }
        }
        return total
    }

    private static func inode(of file: Int32) -> UInt? {
        var status = stat()
        return fstat(file, &status) == 0 ? status.st_ino : nil
    }

    // MARK: - Writing

    /// Writes at the start of an open file, and closes it when that fails.
    private nonisolated static func fill(
        _ file: Int32, _ bytes: UnsafeRawBufferPointer
    ) throws(SystemError) -> Int32 {
        do throws(SystemError) {
            try write(bytes, to: file, at: 0)
            return file
        } catch {
            Socket.close(file)
            throw error
        }
    }

    private nonisolated static func write(
        _ bytes: UnsafeRawBufferPointer, to file: Int32, at offset: Int
    ) throws(SystemError) {
        var written = 0
        while written < bytes.count {
            let count = pwrite(file, bytes.baseAddress.map { $0 + written }, bytes.count - written, offset + written)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw SystemError("spooling a request body") }
            written += count
        }
    }

    // MARK: - The log

    private func report(_ error: SystemError, in folder: String) {
        guard reported.insert(folder).inserted else { return }
        logger.error(
            "Cannot spool request bodies in a folder",
            metadata: ["folder": "\(folder)", "error": "\(SystemError.message(error.errno))"])
    }

    private func reportMemory(_ message: Logger.Message, _ error: SystemError) {
        guard !hasReportedMemory else { return }
        hasReportedMemory = true
        logger.error(
            message,
            metadata: [
                "folders": "\(configuration.folders.joined(separator: " "))",
                "error": "\(SystemError.message(error.errno))",
                "limits":
                    "\(configuration.memoryPerBody >> 20) MiB of one, \(configuration.memoryPerWorker >> 20) in all",
            ])
    }
}

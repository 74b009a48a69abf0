// How this process was started: its command line, folder and environment, as the kernel keeps them from its last exec.
// To be read before anything changes them.

import EvSupervisor
import Glibc

struct ProgramImage {
    private let arguments: [[UInt8]]
    private let environment: [[UInt8]]
    private let folder: String

    /// Nil if /proc cannot be read.
    init?(folder: String) {
        guard let arguments = Self.strings(in: "/proc/self/cmdline"), !arguments.isEmpty,
            let environment = Self.strings(in: "/proc/self/environ")
        else { return nil }
        self.arguments = arguments
        self.environment = environment
        self.folder = folder
    }

    /// What the former master has left in the environment for this process.
    var handover: Handover? {
        let prefix = Array("\(Handover.variable)=".utf8)
        guard let entry = environment.first(where: { $0.starts(with: prefix) }) else { return nil }
        return Handover(reading: String(decoding: entry.dropFirst(prefix.count), as: UTF8.self))
    }

    /// Executes the same program in this process, which is a child of the one that the image is of. Returns errno.
    ///
    /// - Parameter handover: what the next master inherits.
    func execute(handover: String) -> Int32 {
        guard chdir(folder) == 0 else { return errno }
        var variables = environment.filter { entry in
            !([Handover.variable] + Self.ofThisProcess).contains { entry.starts(with: "\($0)=".utf8) }
        }
        variables.append(Array("\(Handover.variable)=\(handover)".utf8))
        // Sockets of systemd are meant for the process with this id, and pass through exec under their numbers.
        for name in Self.ofThisProcess where environment.contains(where: { $0.starts(with: "\(name)=".utf8) }) {
            variables.append(Array("\(name)=\(getpid())".utf8))
        }
        clearenv()
        // The environment refers to the texts from here on.
        Self.withPointers(to: variables) { entries, count in
            for index in 0..<count { if let entry = entries[index] { putenv(entry) } }
            Self.withPointers(to: arguments) { words, _ in
                // A name without a slash is looked for in PATH, as the shell has done it.
                if let name = words[0] { _ = execvp(name, words) }
            }
        }
        return errno
    }

    /// Variables of systemd that hold a process id.
    private static let ofThisProcess = ["LISTEN_PID", "WATCHDOG_PID"]

    private static func strings(in path: String) -> [[UInt8]]? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        if bytes.last == 0 { bytes.removeLast() }
        return bytes.split(separator: 0, omittingEmptySubsequences: false).map(Array.init)
    }

    /// Calls with a list as exec takes it.
    private static func withPointers(
        to strings: [[UInt8]], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, Int) -> Void
    ) {
        var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { string in
            (string + [0]).withUnsafeBytes { $0.baseAddress.flatMap { strdup($0.assumingMemoryBound(to: CChar.self)) } }
        }
        defer { for pointer in pointers { free(pointer) } }
        pointers.append(nil)
        pointers.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { body(base, strings.count) } }
    }
}

// How long the calling thread has had work to do.
import Glibc

package enum ThreadTime {
    /// Seconds in which the calling thread has run, or has waited for a processor although it could run: on a machine
    /// that has more to do than it can, the first alone would look like idling. Without the kernel's scheduler
    /// statistics, the first alone.
    package static func runnable() -> Double {
        statistics() ?? processorTime()
    }

    private static func statistics() -> Double? {
        let numbers = ProcFile.numbers(in: "/proc/thread-self/schedstat")
        return numbers.count >= 2 && numbers[0] > 0 ? Double(numbers[0] + numbers[1]) / 1e9 : nil
    }

    private static func processorTime() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// The memory of this process.
package enum ProcessMemory {
    /// Resident bytes, as ps(1) shows them: pages that are shared with other processes count too. Nil if /proc cannot
    /// be read.
    package static func resident() -> Int? {
        let pages = ProcFile.numbers(in: "/proc/self/statm")
        guard pages.count >= 2 else { return nil }
        return pages[1].multipliedReportingOverflow(by: sysconf(Int32(_SC_PAGESIZE))).partialValue
    }
}

package enum ProcFile {
    /// Whether a process has ended, also one that nobody has waited for.
    package static func hasEnded(_ pid: Int32) -> Bool {
        if kill(pid, 0) < 0, errno == ESRCH { return true }
        guard let text = text(of: "/proc/\(pid)/stat", atMost: 512), let end = text.lastIndex(of: ")") else {
            return false
        }
        return ["Z", "X"].contains(text[end...].dropFirst(2).first)
    }

    /// The numbers of a file of one line; none if it cannot be read.
    package static func numbers(in path: String) -> [Int] {
        (text(of: path, atMost: 128) ?? "").split { $0 == " " || $0 == "\n" }.compactMap { Int($0) }
    }

    /// The first `limit` bytes of a file; nil if it cannot be read.
    package static func text(of path: String, atMost limit: Int = 65_536) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: limit, alignment: 1) { bytes in
            var count = 0
            while count < bytes.count {
                let more = read(descriptor, bytes.baseAddress.map { $0 + count }, bytes.count - count)
                if more < 0 { return nil }
                if more == 0 { break }
                count += more
            }
            return String(decoding: bytes[..<count], as: UTF8.self)
        }
    }
}

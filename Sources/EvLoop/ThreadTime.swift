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
        let descriptor = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: 96, alignment: 1) { bytes in
            let count = read(descriptor, bytes.baseAddress, bytes.count)
            guard count > 0 else { return nil }
            let text = String(decoding: bytes[..<count], as: UTF8.self)
            let numbers = text.split(separator: " ").compactMap { Double($0) }
            guard numbers.count >= 2, numbers[0] > 0 else { return nil }
            return (numbers[0] + numbers[1]) / 1e9
        }
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
        let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: 128, alignment: 1) { bytes in
            let count = read(descriptor, bytes.baseAddress, bytes.count)
            guard count > 0 else { return nil }
            let pages = String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ").compactMap { Int($0) }
            guard pages.count >= 2 else { return nil }
            return pages[1].multipliedReportingOverflow(by: sysconf(Int32(_SC_PAGESIZE))).partialValue
        }
    }
}

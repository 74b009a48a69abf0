// What the kernel tells of processes. Law: read when somebody asks, and not more often than it can be of use; what
// cannot be read is not shown.

import EvLoop
import Glibc

struct ProcessFigures {
    /// Bytes.
    var resident: UInt64?
    /// Bytes; the share of pages that several processes have counts in proportion. The kernel adds it up page by page.
    var proportional: UInt64?
    /// Seconds, in user and system mode.
    var processorTime: Double?
    var openDescriptors: UInt64?
    var mostDescriptors: UInt64?
    /// Seconds since 1970.
    var startedAt: Double?

    init(of pid: Int32, proportional: UInt64?) {
        let folder = "/proc/\(pid)"
        self.proportional = proportional
        let pages = ProcFile.numbers(in: "\(folder)/statm")
        if pages.count >= 2 { resident = UInt64(clamping: pages[1]) &* UInt64(clamping: sysconf(Int32(_SC_PAGESIZE))) }
        // proc_pid_stat(5): fields 14, 15 and 22, counted behind the name, which may hold anything.
        if let text = ProcFile.text(of: "\(folder)/stat"), let name = text.lastIndex(of: ")") {
            let fields = text[text.index(after: name)...].split(separator: " ").map { UInt64($0) }
            let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
            if fields.count > 19, let user = fields[11], let system = fields[12], let start = fields[19] {
                processorTime = Double(user + system) / ticks
                startedAt = EventLoop.wallNow() - (Self.sinceBoot() - Double(start) / ticks)
            }
        }
        openDescriptors = Self.count(in: "\(folder)/fd")
        if let line = ProcFile.text(of: "\(folder)/limits")?.line(after: "Max open files") {
            mostDescriptors = line.split(separator: " ").first.flatMap { UInt64($0) }
        }
    }

    static func proportional(of pid: Int32) -> UInt64? {
        ProcFile.text(of: "/proc/\(pid)/smaps_rollup")?.line(after: "\nPss:")?
            .split(separator: " ").first.flatMap { UInt64($0) }.map { $0 &* 1024 }
    }

    private static func sinceBoot() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func count(in folder: String) -> UInt64? {
        // Since Linux 6.2 the size of the folder is their number.
        var status = stat()
        if stat(folder, &status) == 0, status.st_size > 0 { return UInt64(status.st_size) }
        guard let stream = opendir(folder) else { return nil }
        defer { closedir(stream) }
        var count: UInt64 = 0
        while readdir(stream) != nil { count += 1 }
        return count < 2 ? nil : count - 2
    }
}

/// Those of all processes that are asked for again and again.
@LoopActor
final class ProcessTable {
    private struct Entry {
        var figures: ProcessFigures
        var readAt: Double
        var proportionalAt: Double
    }

    private var entries: [Int32: Entry] = [:]

    /// Seconds. The proportional size costs the process a look at each of its pages, with its memory map locked.
    private static let age = 0.2
    private static let ageOfProportional = 5.0

    func figures(of pid: Int32) -> ProcessFigures {
        let now = EventLoop.monotonicNow()
        if let entry = entries[pid], now - entry.readAt < Self.age { return entry.figures }
        // Nobody has asked for those for a while; most have ended.
        entries = entries.filter { now - $1.readAt < Self.ageOfProportional }
        let known = entries[pid].flatMap { now - $0.proportionalAt < Self.ageOfProportional ? $0 : nil }
        let proportional = known.map(\.figures.proportional) ?? ProcessFigures.proportional(of: pid)
        let figures = ProcessFigures(of: pid, proportional: proportional)
        entries[pid] = Entry(figures: figures, readAt: now, proportionalAt: known?.proportionalAt ?? now)
        return figures
    }
}

extension String {
    /// What stands behind a text, up to the end of the line.
    fileprivate func line(after text: String) -> Substring? {
        var rest = self[...]
        while let start = rest.firstIndex(of: text.first ?? "\n") {
            rest = rest[start...]
            if rest.hasPrefix(text) { return rest.dropFirst(text.count).prefix { $0 != "\n" } }
            rest = rest.dropFirst()
        }
        return nil
    }
}

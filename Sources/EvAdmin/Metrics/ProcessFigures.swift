// What the kernel tells of a process, and of the network. Law: read when somebody asks, and not more often than it can
// change; what cannot be read is not shown.

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
    private static let age = 1.0
    private static let ageOfProportional = 5.0

    func figures(of pid: Int32) -> ProcessFigures {
        let now = EventLoop.monotonicNow()
        if let entry = entries[pid], now - entry.readAt < Self.age { return entry.figures }
        let isFresh = entries[pid].map { now - $0.proportionalAt < Self.ageOfProportional } ?? false
        let proportional = isFresh ? entries[pid]?.figures.proportional : ProcessFigures.proportional(of: pid)
        let figures = ProcessFigures(of: pid, proportional: proportional)
        let proportionalAt = isFresh ? entries[pid]?.proportionalAt ?? now : now
        entries[pid] = Entry(figures: figures, readAt: now, proportionalAt: proportionalAt)
        return figures
    }

    /// Forgets processes that have ended.
    func keep(only pids: Set<Int32>) { entries = entries.filter { pids.contains($0.key) } }
}

enum NetworkFigures {
    /// Of the whole network namespace: connections that found an accept queue full, and those that were not accepted
    /// for any reason. Nil where it cannot be told.
    static func listenFailures() -> (overflows: UInt64, drops: UInt64)? {
        let lines = ProcFile.text(of: "/proc/net/netstat")?.split(separator: "\n").filter { $0.hasPrefix("TcpExt:") }
        guard let lines, lines.count == 2 else { return nil }
        let (names, values) = (lines[0].split(separator: " "), lines[1].split(separator: " "))
        func value(_ name: String) -> UInt64? {
            names.firstIndex { $0 == name }.flatMap { $0 < values.count ? UInt64(values[$0]) : nil }
        }
        guard let overflows = value("ListenOverflows"), let drops = value("ListenDrops") else { return nil }
        return (overflows, drops)
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

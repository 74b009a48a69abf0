// What the kernel says of processes: their memory and the processor time they have used. The share of memory costs the
// kernel a walk through all of a process's pages, during which that process can get no memory, so it is asked for
// rarely.

import EvLoop
import Glibc

@LoopActor
final class ProcessFacts {
    struct Facts: Equatable {
        /// Resident bytes, also those that other processes share.
        var rss: Int?
        /// The process's share of them, some seconds old; nil where this process may not see it.
        var pss: Int?
        /// Seconds of processor time, its own and the kernel's for it.
        var cpu: Double?
    }

    private struct Entry {
        var facts: Facts
        var made: Double
        var shareMade: Double
    }

    private var entries: [Int32: Entry] = [:]

    /// Seconds for which an answer is used again.
    private static let freshness = 0.2
    private static let shareFreshness = 10.0

    func facts(of pid: Int32) -> Facts {
        let now = EventLoop.monotonicNow()
        if let entry = entries[pid], now - entry.made < Self.freshness { return entry.facts }
        // Of processes that have ended.
        entries = entries.filter { now - $1.made < Self.shareFreshness }
        var entry = entries[pid] ?? Entry(facts: Facts(), made: now, shareMade: -.infinity)
        entry.made = now
        let pages = ProcFile.numbers(in: "/proc/\(pid)/statm")
        entry.facts.rss = pages.count >= 2 ? pages[1] &* sysconf(Int32(_SC_PAGESIZE)) : nil
        entry.facts.cpu = Self.processorTime(pid)
        if now - entry.shareMade >= Self.shareFreshness {
            entry.facts.pss = Self.share(pid)
            entry.shareMade = now
        }
        entries[pid] = entry
        return entry.facts
    }

    /// proc_pid_stat(5): the name in parentheses may hold anything, and after it the fields begin with the third.
    private static func processorTime(_ pid: Int32) -> Double? {
        let text = ProcFile.text(in: "/proc/\(pid)/stat")
        guard let end = text.utf8.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = text.utf8[end...].dropFirst(2).split(separator: UInt8(ascii: " "))
        guard fields.count > 12, let user = Double(Substring(fields[11])), let kernel = Double(Substring(fields[12]))
        else { return nil }
        return (user + kernel) / Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    }

    private static func share(_ pid: Int32) -> Int? {
        for line in ProcFile.text(in: "/proc/\(pid)/smaps_rollup").split(separator: "\n") where line.hasPrefix("Pss:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 &* 1024 }
        }
        return nil
    }
}

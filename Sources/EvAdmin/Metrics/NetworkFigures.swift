// What the kernel tells of the network. Law: what cannot be read is not shown.

import EvLoop

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

// Numbers as people read them in a table.

enum Figures {
    static let unknown = "-"

    /// With so many digits behind the point.
    static func decimal(_ value: Double, digits: Int) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return unknown }
        let scale = [1, 10, 100, 1000][min(max(digits, 0), 3)]
        let scaled = Int((abs(value) * Double(scale)).rounded())
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard scale > 1 else { return "\(sign)\(scaled)" }
        return "\(sign)\(scaled / scale).\(String(scaled % scale + scale).dropFirst())"
    }

    /// `850 ms`, `12.3 s`, `4 min 10 s`, `3 h 12 min`, `12 d 4 h`.
    static func time(_ seconds: Double?) -> String { time(seconds, minute: " min", space: " ") }

    /// The same where there is little room: `850ms`, `12.3s`, `4m10s`, `3h12m`, `12d4h`.
    static func brief(_ seconds: Double?) -> String { time(seconds, minute: "m", space: "") }

    private static func time(_ seconds: Double?, minute: String, space: String) -> String {
        guard let seconds, seconds.isFinite, seconds < 1e12 else { return unknown }
        if seconds < 0.9995 { return "\(Int((max(0, seconds) * 1000).rounded()))\(space)ms" }
        if seconds < 59.95 { return "\(decimal(seconds, digits: 1))\(space)s" }
        let whole = Int(seconds.rounded())
        if whole < 3600 { return "\(whole / 60)\(minute)\(space)\(whole % 60)\(space)s" }
        if whole < 86_400 { return "\(whole / 3600)\(space)h\(space)\(whole % 3600 / 60)\(minute)" }
        return "\(whole / 86_400)\(space)d\(space)\(whole % 86_400 / 3600)\(space)h"
    }

    /// `0 B`, `1.5 K`, `48 M`, `1.2 G`: by powers of 1,024.
    static func bytes(_ count: Int?) -> String {
        guard let count else { return unknown }
        if abs(count) < 1024 { return "\(count) B" }
        var value = Double(count) / 1024
        for unit in ["K", "M", "G"] {
            if abs(value) < 9.95 { return "\(decimal(value, digits: 1)) \(unit)" }
            if abs(value) < 1023.5 { return "\(decimal(value, digits: 0)) \(unit)" }
            value /= 1024
        }
        return "\(decimal(value, digits: 1)) T"
    }

    static func count(_ count: Int?) -> String { count.map { "\($0)" } ?? unknown }

    /// `1 worker`, `2 workers`.
    static func count(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

    static func percent(_ fraction: Double?) -> String { fraction.map { decimal($0 * 100, digits: 1) } ?? unknown }
}

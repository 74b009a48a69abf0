// `[2026-11-21 02:39:00 +0000] [4711] [INFO] message key=value`, as bytes.

package import Logging

package enum LogLine {
    /// Appends one line with its line feed.
    ///
    /// - Parameter stamp: the local time, `2026-11-21 02:39:00 +0000`.
    package static func append(
        stamp: [UInt8], processIdentifier: Int32, level: Logger.Level, message: String,
        metadata: [(key: String, value: String)], to line: inout [UInt8]
    ) {
        line.append(UInt8(ascii: "["))
        line.append(contentsOf: stamp)
        line.append(contentsOf: "] [".utf8)
        line.append(contentsOf: String(processIdentifier).utf8)
        line.append(contentsOf: "] [".utf8)
        line.append(contentsOf: name(of: level).utf8)
        line.append(contentsOf: "] ".utf8)
        append(message: message, metadata: metadata, to: &line)
        line.append(UInt8(ascii: "\n"))
    }

    /// What stands behind the stamp.
    static func text(_ message: String, _ metadata: [(key: String, value: String)]) -> String {
        var line: [UInt8] = []
        append(message: message, metadata: metadata, to: &line)
        return String(decoding: line, as: UTF8.self)
    }

    /// Appends what stands behind the stamp, without a line feed.
    package static func append(
        message: String, metadata: [(key: String, value: String)], to line: inout [UInt8]
    ) {
        append(escaping: message, to: &line)
        for (key, value) in metadata {
            line.append(UInt8(ascii: " "))
            append(escaping: key, to: &line)
            line.append(UInt8(ascii: "="))
            let quoted = value.isEmpty || value.utf8.contains { $0 <= 0x20 || $0 == UInt8(ascii: "\"") }
            if quoted { line.append(UInt8(ascii: "\"")) }
            append(escaping: value, quotes: quoted, to: &line)
            if quoted { line.append(UInt8(ascii: "\"")) }
        }
    }

    private static func name(of level: Logger.Level) -> String {
        switch level {
        case .trace: "TRACE"
        case .debug: "DEBUG"
        case .info: "INFO"
        case .notice: "NOTICE"
        case .warning: "WARNING"
        case .error: "ERROR"
        case .critical: "CRITICAL"
        }
    }

    /// C0, DEL and C1 could end the line or control a terminal; all other characters are kept as UTF-8.
    private static func append(escaping text: String, quotes: Bool = false, to line: inout [UInt8]) {
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x0A: line.append(contentsOf: #"\n"#.utf8)
            case 0x0D: line.append(contentsOf: #"\r"#.utf8)
            case 0x09: line.append(contentsOf: #"\t"#.utf8)
            case 0x22 where quotes: line.append(contentsOf: #"\""#.utf8)
            case 0..<0x20, 0x7F..<0xA0:
                line.append(contentsOf: (scalar.value < 0x10 ? #"\x0"# : #"\x"#).utf8)
                line.append(contentsOf: String(scalar.value, radix: 16).utf8)
            default: line.append(contentsOf: String(scalar).utf8)
            }
        }
    }
}

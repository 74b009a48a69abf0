// Local calendar time of an epoch second, for log lines. The C library knows the time zone.

import Glibc

/// Broken-down local time, as `localtime_r` gives it.
package struct LocalTime: Equatable, Sendable {
    package let year: Int
    /// 1...12
    package let month: Int
    package let day: Int
    package let hour: Int
    package let minute: Int
    /// 0...60
    package let second: Int
    /// Minutes east of UTC.
    package let offset: Int

    /// - Parameter secondsSinceEpoch: seconds since 1970-01-01T00:00:00Z.
    package init(secondsSinceEpoch: Int) {
        var time = time_t(secondsSinceEpoch)
        var parts = tm()
        _ = localtime_r(&time, &parts)
        year = Int(parts.tm_year) + 1900
        month = Int(parts.tm_mon) + 1
        day = Int(parts.tm_mday)
        hour = Int(parts.tm_hour)
        minute = Int(parts.tm_min)
        second = Int(parts.tm_sec)
        offset = parts.tm_gmtoff / 60
    }

    /// Appends `2026-11-21 02:39:00 +0000`.
    package func appendISO(to output: inout [UInt8]) {
        Self.append(year, digits: 4, to: &output)
        output.append(UInt8(ascii: "-"))
        Self.append(month, digits: 2, to: &output)
        output.append(UInt8(ascii: "-"))
        Self.append(day, digits: 2, to: &output)
        output.append(UInt8(ascii: " "))
        appendClock(to: &output)
    }

    /// Appends `2026-11-21T02:39:00.123+00:00` (RFC 3339).
    package func appendRFC3339(milliseconds: Int, to output: inout [UInt8]) {
        let start = output.count
        appendISO(to: &output)
        output[start + 10] = UInt8(ascii: "T")
        let zone = Array(output[(start + 20)...])
        output.removeSubrange((start + 19)...)
        output.append(UInt8(ascii: "."))
        Self.append(milliseconds / 10, digits: 2, to: &output)
        output.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: abs(milliseconds) % 10))
        output.append(contentsOf: zone[..<3])
        output.append(UInt8(ascii: ":"))
        output.append(contentsOf: zone[3...])
    }

    /// Appends `21/Nov/2026:02:39:00 +0000`, the form of the common log format.
    package func appendCommonLog(to output: inout [UInt8]) {
        let names: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"
        Self.append(day, digits: 2, to: &output)
        output.append(UInt8(ascii: "/"))
        names.withUTF8Buffer { output.append(contentsOf: $0[(month - 1) * 3..<month * 3]) }
        output.append(UInt8(ascii: "/"))
        Self.append(year, digits: 4, to: &output)
        output.append(UInt8(ascii: ":"))
        appendClock(to: &output)
    }

    private func appendClock(to output: inout [UInt8]) {
        Self.append(hour, digits: 2, to: &output)
        output.append(UInt8(ascii: ":"))
        Self.append(minute, digits: 2, to: &output)
        output.append(UInt8(ascii: ":"))
        Self.append(second, digits: 2, to: &output)
        output.append(UInt8(ascii: " "))
        output.append(UInt8(ascii: offset < 0 ? "-" : "+"))
        Self.append(abs(offset) / 60, digits: 2, to: &output)
        Self.append(abs(offset) % 60, digits: 2, to: &output)
    }

    private static func append(_ value: Int, digits: Int, to output: inout [UInt8]) {
        var divisor = digits == 4 ? 1000 : 10
        while divisor > 0 {
            output.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: abs(value) / divisor % 10))
            divisor /= 10
        }
    }
}

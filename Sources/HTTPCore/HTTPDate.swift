/// IMF-fixdate (RFC 9110 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT".
package struct HTTPDate {
    /// What ``write(secondsSinceEpoch:into:)`` writes.
    package static let byteCount = 29

    private static let weekdays: StaticString = "SunMonTueWedThuFriSat"
    private static let months: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"

    /// Writes 29 bytes, or nothing when the buffer is smaller. Times outside years 1970 to 9999 are moved to the end
    /// they are beyond: the form has four digits for a year.
    package static func write(secondsSinceEpoch: Int, into buffer: UnsafeMutableRawBufferPointer) {
        guard buffer.count >= byteCount else { return }
        let seconds = min(max(secondsSinceEpoch, 0), 253_402_300_799)
        let days = seconds / 86400
        let time = seconds % 86400
        let (year, month, day) = civil(daysSinceEpoch: days)

        func letters(_ table: StaticString, _ index: Int, at offset: Int) {
            for letter in 0..<3 { buffer[offset + letter] = table.utf8Start[index * 3 + letter] }
        }
        func digits(_ value: Int, at offset: Int) {
            buffer[offset] = UInt8(truncatingIfNeeded: 0x30 + value / 10 % 10)
            buffer[offset + 1] = UInt8(truncatingIfNeeded: 0x30 + value % 10)
        }
        let template: StaticString = "___, __ ___ ____ __:__:__ GMT"
        buffer.copyMemory(from: UnsafeRawBufferPointer(start: template.utf8Start, count: byteCount))
        letters(weekdays, (days + 4) % 7, at: 0)
        digits(day, at: 5)
        letters(months, month - 1, at: 8)
        digits(year / 100, at: 12)
        digits(year % 100, at: 14)
        digits(time / 3600, at: 17)
        digits(time / 60 % 60, at: 20)
        digits(time % 60, at: 23)
    }

    /// Years are taken from March on, so that the leap day is the last of its year, in eras of 400 years.
    private static func civil(daysSinceEpoch: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = daysSinceEpoch + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}

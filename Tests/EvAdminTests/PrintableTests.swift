import Testing

@testable import EvAdmin

@Suite struct PrintableTests {
    @Test(arguments: [
        ("/a?b=c", "/a?b=c"), ("a\u{1b}[2J", "a\\x1b[2J"), ("a\nb\r\tc\u{0}", "a\\x0ab\\x0d\\x09c\\x00"),
        ("\u{7f}\u{9b}31m", "\\x7f\\u{9b}31m"), ("a\u{202e}b\u{200d}", "a\\u{202e}b\\u{200d}"),
        ("\u{2028}\u{a0}\u{e000}", "\\u{2028}\\u{a0}\\u{e000}"), ("é日本", "é日本"),
    ])
    func escapes(_ text: String, _ shown: String) { #expect(Printable.text(text) == shown) }

    @Test func linesStayLines() {
        #expect(Printable.lines("a\r\n\tb\n\n\u{1b}c\n") == ["a", "\\x09b", "", "\\x1bc"])
        #expect(Printable.lines("") == [])
    }

    @Test(arguments: [
        ("abc", 3, "abc"), ("abcd", 3, "ab>"), ("abc", 1, ">"), ("abc", 0, ""), ("日本語", 6, "日本語"),
        ("日本語", 5, "日本>"), ("日本語", 4, "日>"), ("日本語", 2, ">"), ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}>"),
    ])
    func cuts(_ text: String, _ columns: Int, _ result: String) {
        #expect(Printable.cut(text, to: columns) == result)
        #expect(Printable.width(result) <= columns)
    }

    @Test(arguments: [
        (0, "0 ms", "0ms"), (0.85, "850 ms", "850ms"), (0.9999, "1.0 s", "1.0s"), (12.34, "12.3 s", "12.3s"),
        (59.97, "1 min 0 s", "1m0s"), (250, "4 min 10 s", "4m10s"), (11_520, "3 h 12 min", "3h12m"),
        (1_051_200, "12 d 4 h", "12d4h"), (-5, "0 ms", "0ms"), (1e300, "-", "-"), (.nan, "-", "-"),
    ])
    func times(_ seconds: Double, _ long: String, _ brief: String) {
        #expect(Figures.time(seconds) == long)
        #expect(Figures.brief(seconds) == brief)
    }

    @Test(arguments: [
        (0, "0 B"), (1023, "1023 B"), (1536, "1.5 K"), (10_240, "10 K"), (52_428_800, "50 M"), (1 << 30, "1.0 G"),
        (1 << 44, "16.0 T"), (-5, "-5 B"), (Int.max, "8388608.0 T"),
    ])
    func bytes(_ count: Int, _ text: String) { #expect(Figures.bytes(count) == text) }
}

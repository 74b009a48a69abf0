import EvSettings
import Testing

@Suite struct ShellWordsFileTests {
    @Test(arguments: [
        ("", []), (" \t\r\n", []), ("-w 4  --bind :80", ["-w", "4", "--bind", ":80"]),
        ("a'b c'd", ["ab cd"]), (#"'' """#, ["", ""]), (#"'a\b'"#, [#"a\b"#]),
        (#""a\"b\\c\nd'""#, [#"a"b\c\nd'"#]), (#"a\ b \'"#, ["a b", "'"]), ("a # 'b'", ["a", "#", "b"]),
        ("é\u{a0}x $HOME", ["é\u{a0}x", "$HOME"]), ("a\\\nb", ["a\nb"]),
    ])
    func splitsAsShlex(_ text: String, _ words: [String]) throws {
        #expect(try ShellWords.split(text) == words)
    }

    @Test(arguments: [
        ("a 'b", "a quotation is not closed"), (#"a "b\""#, "a quotation is not closed"),
        (#"a\"#, "nothing follows the last backslash"), (#""a\"#, "nothing follows the last backslash"),
    ])
    func refusesWhatIsNotClosed(_ text: String, _ reason: String) {
        #expect(throws: FileSyntaxError(reason)) { try ShellWords.split(text) }
    }
}

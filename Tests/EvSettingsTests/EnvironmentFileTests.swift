import EvSettings
import Testing

@Suite struct EnvironmentFileTests {
    private func read(_ text: String) throws -> [String] {
        try EnvironmentFile.read(text).map { "\($0.name)=\($0.value)" }
    }

    @Test(arguments: [
        ("", []), ("A=1", ["A=1"]), ("A=1\r\nB=2\r\n", ["A=1", "B=2"]), ("\u{FEFF}A=1\n", ["A=1"]),
        ("# c\n; c\n\n  \t\n _a1 = 1  \n", ["_a1=1"]), ("A=1\nA=2", ["A=1", "A=2"]), ("A=b=c", ["A=b=c"]),
        ("export A=1\nexport\tB=2\nexport=3\nexport =4", ["A=1", "B=2", "export=3", "export=4"]),
        ("A=\nB=  \nC=''\nD=\"\"", ["A=", "B=", "C=", "D="]), ("A=é\u{2028}$B\\n", ["A=é\u{2028}$B\\n"]),
    ])
    func readsVariables(_ text: String, _ variables: [String]) throws {
        #expect(try read(text) == variables)
    }

    @Test(arguments: [
        ("A=x # c", ["A=x"]), ("A=x#y", ["A=x#y"]), ("A=#x", ["A=#x"]), ("A= # c\nB=1", ["A=", "B=1"]),
        ("A=a b\t#c", ["A=a b"]), ("A='x' # c\nB=\"y\"#c", ["A=x", "B=y"]), ("A='#' #", ["A=#"]),
    ])
    func commentBeginsAfterABlank(_ text: String, _ variables: [String]) throws {
        #expect(try read(text) == variables)
    }

    @Test(arguments: [
        ("A='x # \\n$B'", ["A=x # \\n$B"]), ("A='a\nb'\nB=2", ["A=a\nb", "B=2"]), ("A=it's \"so\"", ["A=it's \"so\""]),
        (#"A="\n\t\r\"\\\$\q'""#, ["A=\n\t\r\"\\$\\q'"]), ("A=\"a\r\nb\"\r\nB=2", ["A=a\nb", "B=2"]),
    ])
    func quotesAreLiteralOrHaveEscapes(_ text: String, _ variables: [String]) throws {
        #expect(try read(text) == variables)
    }

    @Test(arguments: [
        ("A=1\nB", 2, "expected NAME=value"), ("export A\n", 1, "expected NAME=value"),
        ("A B=1", 1, "expected NAME=value"),
        ("A='x\ny\n", 1, "the quote is not closed"), ("A=1\nB=\"x\\", 2, "the quote is not closed"),
        ("A=\"x\ny\"z", 2, "only a comment may follow the closing quote"),
        ("A=x\u{0}y", 1, "a variable cannot hold a NUL character"),
    ])
    func errorsHaveTheirLine(_ text: String, _ line: Int, _ reason: String) {
        #expect(throws: FileSyntaxError(line: line, reason)) { try EnvironmentFile.read(text) }
    }

    @Test(arguments: ["", "1A", "A-B", "A.B", "é", "A\u{7}"])
    func badNamesAreErrors(_ name: String) throws {
        let error = try #require(throws: FileSyntaxError.self) { try EnvironmentFile.read("\n\(name)=1") }
        #expect(error.line == 2)
        #expect(error.reason.contains("is no name of a variable"))
        #expect(!error.reason.contains("\u{7}"))
    }
}

import EvSettings
import Testing

@Suite struct TOMLFileTests {
    private func value(_ text: String) throws -> SettingValue {
        try #require(TOMLReader.read("x = \(text)").first).value
    }

    // MARK: Values

    @Test(arguments: [
        ("0", 0), ("+0", 0), ("-17", -17), ("1_000", 1000), ("0xDead_beef", 0xDEAD_BEEF), ("0o17", 15), ("0b1_01", 5),
        ("9223372036854775807", Int.max), ("-9223372036854775808", Int.min),
    ])
    func integers(_ text: String, _ number: Int) throws {
        #expect(try value(text) == .integer(number))
    }

    @Test(arguments: [
        ("3.14", 3.14), ("-0.5", -0.5), ("5e2", 500), ("1_0.2_5E-0_1", 1.025), ("+1.0e+3", 1000), ("0e0", 0),
        ("0.0", 0),
    ])
    func floats(_ text: String, _ number: Double) throws {
        #expect(try value(text) == .number(number))
    }

    @Test(arguments: [
        "01", "-01", "1__0", "_1", "1_", "0x", "0x_1", "+0x1", "0X1", "0b2", "0o8", "1.", ".5", "1.e2", "1e", "1e+",
        "1._5", "01.5", "1_.5", "--1", "True", "yes", "1.2.3", "0xg", "e", "1e1.5",
    ])
    func wordsThatAreNoValues(_ text: String) {
        #expect(throws: FileSyntaxError(line: 1, "'\(text)' is no value: a text stands in quotes")) { try value(text) }
    }

    @Test(arguments: [
        ("9223372036854775808", "does not fit in 64 bits"), ("0x8000000000000000", "does not fit in 64 bits"),
        ("1e400", "does not fit in 64 bits"), ("inf", "inf and nan are not used by any setting"),
        ("-nan", "inf and nan are not used by any setting"), ("1979-05-27", "dates are not used by any setting"),
        ("1979-05-27T07:32:00Z", "dates are not used by any setting"),
        ("07:32:00", "dates are not used by any setting"),
        ("", "expected a value, and the file ends"), ("@", "expected a value"),
    ])
    func whatNoSettingTakes(_ text: String, _ reason: String) throws {
        let error = try #require(throws: FileSyntaxError.self) { try value(text) }
        #expect(error.line == 1)
        #expect(error.reason.hasSuffix(reason))
    }

    @Test func booleans() throws {
        #expect(try value("true") == .boolean(true))
        #expect(try value("false # c") == .boolean(false))
    }

    @Test(arguments: [
        (#""a b""#, "a b"), (#"'C:\n'"#, "C:\\n"), (#""\b\t\n\f\r\"\\\u00e9\U0001F600""#, "\u{8}\t\n\u{c}\r\"\\é😀"),
        ("\"\"", ""), ("\"\tü\"", "\tü"), ("\"\"\"\"\"\"", ""), ("\"\"\"\na\r\nb\\n\"\"\"", "a\nb\n"),
        ("\"\"\"a\\\n  \n\t b\\  \n\"\"\"", "ab"), ("\"\"\"\"a\"\"b\"\"\"\"\"", "\"a\"\"b\"\""),
        ("'''\n'a\\\n''b'''''", "'a\\\n''b''"),
    ])
    func strings(_ text: String, _ string: String) throws {
        #expect(try value(text) == .text(string))
    }

    @Test(arguments: [
        ("\"a", 1, "the string is not closed on its line"), ("'a\n'", 1, "the string is not closed on its line"),
        ("\"\"\"\na", 1, "the string is not closed"), ("'''\n''", 1, "the string is not closed"),
        (#""\x41""#, 1, "no such escape"), (#""\e""#, 1, "no such escape"), (#""\""#, 1, "the string is not closed"),
        ("\"\"\"\n\\ a\"\"\"", 2, "no such escape"), (#""\u12g4""#, 1, "expected 4 hexadecimal digits"),
        (#""\U1234""#, 1, "expected 8 hexadecimal digits"), (#""\uD800""#, 1, "the escape is no Unicode scalar value"),
        (#""\U00110000""#, 1, "the escape is no Unicode scalar value"), ("\"\u{1}\"", 1, "a control character"),
        ("'\u{7f}'", 1, "a control character"), ("'''\n\ra'''", 2, "a control character"),
        ("1 # \u{0}", 1, "a comment"),
    ])
    func stringsThatAreErrors(_ text: String, _ line: Int, _ reason: String) throws {
        let error = try #require(throws: FileSyntaxError.self) { try value(text) }
        #expect(error.line == line)
        #expect(error.reason.hasPrefix(reason))
    }

    @Test func arrays() throws {
        #expect(try value("[]") == .list([]))
        #expect(
            try value("[ # c\n 1, # c\n\n'a'\n, [2,],\n]") == .list([.integer(1), .text("a"), .list([.integer(2)])]))
        for text in ["[1 2]", "[,]", "[1,,2]"] { #expect(throws: FileSyntaxError.self) { try value(text) } }
        #expect(throws: FileSyntaxError(line: 1, "the array is not closed")) { try value("[\n1,\n") }
    }

    @Test func inlineTables() throws {
        #expect(try value("{}") == .table([]))
        let table: SettingValue = .table([.init("a", .table([.init("b", .integer(1)), .init("c d", .integer(2))]))])
        #expect(try value("{ a.b = 1, 'a'.\"c d\" = 2 }") == table)
        for text in ["{a=1,}", "{a=1\n}", "{a=1 b=2}", "{a=1,a=2}", "{a={},a.b=1}", "{a=1", "{a=1]"] {
            #expect(throws: FileSyntaxError.self, "\(text)") { try value(text) }
        }
    }

    // MARK: Tables

    @Test func settingsKeepTheirOrderAndLines() throws {
        let text =
            "\u{FEFF}# c\r\nbind = ':80'\r\n\r\n\"a b\".c = 1\r\nthreads=2 # c\r\n[[x]]\r\ny=1\r\n[[ x ]]\r\n[z.'w']"
        #expect(
            try TOMLReader.read(text) == [
                FileSetting("bind", .text(":80"), line: 2),
                FileSetting("a b", .table([.init("c", .integer(1))]), line: 4),
                FileSetting("threads", .integer(2), line: 5),
                FileSetting("x", .list([.table([.init("y", .integer(1))]), .table([])]), line: 6),
                FileSetting("z", .table([.init("w", .table([]))]), line: 9),
            ])
    }

    @Test(arguments: [
        ("[tool.evgateway]\na = 1", 2), ("[tool]\nevgateway.a = 1", 2), ("[tool.evgateway]\n\n\na = 1\n[tool]", 4),
        ("\ntool = {evgateway = {a = 1}}", 2), ("[project]\nx=1\n[tool.black]\n[tool.evgateway]\na = 1\n[y]\na=2", 5),
    ])
    func aTableIsFoundByItsPath(_ text: String, _ line: Int) throws {
        #expect(
            try TOMLReader.read(text, table: ["tool", "evgateway"]) == [FileSetting("a", .integer(1), line: line)])
    }

    @Test func aTableThatIsMissingHasNoEntries() throws {
        for text in ["", "a = 1", "[tool]", "[tool.other]", "[evgateway]\na=1"] {
            #expect(try TOMLReader.read(text, table: ["tool", "evgateway"]) == [])
        }
        #expect(throws: FileSyntaxError(line: 2, "'tool.evgateway' must be a table")) {
            try TOMLReader.read("[tool]\nevgateway = 1", table: ["tool", "evgateway"])
        }
        #expect(throws: FileSyntaxError(line: 1, "'tool' must be a table")) {
            try TOMLReader.read("[[tool]]\nevgateway = 1", table: ["tool", "evgateway"])
        }
    }

    @Test(arguments: [
        "[a.b]\n[a]", "[a]\nb.c=1\nb.d=2", "[a]\nb.c=1\n[a.b.d]", "[[a]]\n[a.b]\n[[a]]\n[a.b]",
        "[[a]]\n[[a.b]]\n[[a.b]]",
        "[a.b.c]\n[a]\nb.x=1", "'é'=1\n\"e\\u0301\"=2", "1=1\n2.3=4",
    ])
    func definitionsThatAgree(_ text: String) throws {
        _ = try TOMLReader.read(text)
    }

    @Test(arguments: [
        "a=1\na=2", "a=1\n'a'=2", "[a]\n[a]", "a=1\n[a]", "a=1\n[a.b]", "a=1\n[[a]]", "a=[]\n[[a]]", "a={}\n[a.b]",
        "a.b=1\na.b.c=2", "a={}\na.b=1", "[[a]]\n[a]", "[a]\n[[a]]", "[a.b]\n[[a]]",
    ])
    func redefinitionsAreErrors(_ text: String) {
        let name = text.contains("a.b.c") ? "b" : "a"
        #expect(throws: FileSyntaxError(line: 2, "'\(name)' is already defined")) { try TOMLReader.read(text) }
    }

    @Test(arguments: [
        "[a]\nb.c=1\n[a.b]", "[a.b.c]\n[a]\nb.c.d=1", "[a.b]\n[a]\nb=1", "[[a.b]]\n[a]\nb.c=1", "[[a]]\n[a.b]\n[a.b]",
        "a.b=1\n[x]\n[a]", "[a]\nb.c=1\n[x]\n[a]",
    ])
    func redefinitionsInOtherSectionsAreErrors(_ text: String) throws {
        let error = try #require(throws: FileSyntaxError.self) { try TOMLReader.read(text) }
        #expect(error.line == text.utf8.count { $0 == 10 } + 1)
        #expect(error.reason.hasSuffix("is already defined"))
    }

    @Test(arguments: [
        ("a = 1 b = 2", 1, "expected the end of the line"), ("\na", 2, "expected = after the name, and the file ends"),
        ("= 1", 1, "expected a name"), ("a. = 1", 1, "expected a name"),
        ("[a", 1, "expected ] after the name of the table"),
        ("[]", 1, "expected a name"), ("[[a]\n]", 1, "expected ]] after the name of the table"),
        ("é = 1", 1, "expected a name"),
        ("[a] b", 1, "expected the end of the line"), ("a = 1\r\rb = 2", 1, "expected the end of the line"),
        ("a = '''b''''''", 1, "expected the end of the line"),
        ("'''a''' = 1", 1, "expected = after the name"), ("[ [a]]", 1, "expected a name"),
    ])
    func linesThatAreErrors(_ text: String, _ line: Int, _ reason: String) throws {
        let error = try #require(throws: FileSyntaxError.self) { try TOMLReader.read(text) }
        #expect(error.line == line)
        #expect(error.reason.hasPrefix(reason))
    }

    // MARK: Bounds

    @Test(arguments: ["[", "{a=", "a.", "[["])
    func depthIsBounded(_ part: String) throws {
        let close = ["[": "]", "{a=": "}"][part] ?? ""
        func text(_ depth: Int) -> String {
            let parts = String(repeating: part, count: depth)
            return switch part {
            case "a.": parts + "b = 1"
            case "[[": "[[" + String(repeating: "a.", count: depth) + "b]]"
            default: "x = " + parts + "1" + String(repeating: close, count: depth)
            }
        }
        _ = try TOMLReader.read(text(63))
        for depth in [64, 100_000] {
            #expect(throws: FileSyntaxError(line: 1, "more than 64 tables or arrays in each other")) {
                try TOMLReader.read(text(depth))
            }
        }
    }

    @Test func timeIsLinear() throws {
        // Each would take minutes if its time grew with the square.
        let count = 50_000
        let lines = (0..<count).map { "k\($0) = [1]\n" }.joined()
        #expect(try TOMLReader.read(lines).count == count)
        #expect(try TOMLReader.read(String(repeating: "[[a]]\nb.c=1\n", count: count)).count == 1)
        let string = String(repeating: "\\\n \\n", count: count)
        #expect(try value("\"\"\"\(string)\"\"\"") == .text(String(repeating: "\n", count: count)))
    }
}

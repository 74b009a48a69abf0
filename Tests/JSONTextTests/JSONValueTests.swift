import JSONText
import Testing

@Suite struct JSONValueTests {
    @Test(
        arguments: [
            ("null", .null), (" true\n", .boolean(true)), ("-0", .number(0)), ("1.5e2", .number(150)),
            (#""a\"\\\/\b\f\n\r\té""#, .string("a\"\\/\u{8}\u{c}\n\r\té")), (#""\ud83d\ude00""#, .string("😀")),
            (#""\u001b\u00e9""#, .string("\u{1b}é")), ("[]", .array([])), ("{ }", .object([:])),
            (#"{"a":[1,{"b":null}]}"#, .object(["a": .array([.number(1), .object(["b": .null])])])),
        ] as [(String, JSONValue)])
    func reads(_ text: String, _ value: JSONValue) {
        #expect(JSONValue(Array(text.utf8)) == value)
    }

    @Test(arguments: [
        "", " ", "nul", "nulll", "01", "-", "1.", ".5", "1e", "+1", "1e999", "'a'", #"""#, #""\"#, #""\x""#, #""\u12""#,
        #""\ud83d""#, #""\ud83dx""#, #""\ude00""#, #""\ud83d\u0041""#, "\"\n\"", "\"\u{1b}\"", "[1,]", "[1 2]", "[",
        "{", #"{"a"}"#, #"{"a":1,}"#, "{a:1}", #"{"a":1,"a":2}"#, "1 2", "[]]",
    ])
    func refuses(_ text: String) {
        #expect(JSONValue(Array(text.utf8)) == nil)
    }

    @Test func refusesWhatIsNotUTF8() { #expect(JSONValue([0x22, 0xff, 0x22]) == nil) }

    @Test func depthIsBounded() {
        func nested(_ depth: Int) -> [UInt8] {
            Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
        }
        #expect(JSONValue(nested(64)) != nil)
        #expect(JSONValue(nested(65)) == nil)
        #expect(JSONValue(nested(1_000_000)) == nil)
    }

    @Test func whatIsNotThereIsUnknown() {
        let value = JSONValue(Array(#"{"a":1.5,"b":"x","c":9007199254740994,"d":-9007199254740992}"#.utf8)) ?? .null
        #expect(value["a"].integer == nil && value["a"].number == 1.5)
        #expect(value["b"].integer == nil && value["b"].text == "x")
        #expect(value["c"].integer == nil && value["d"].integer == -9_007_199_254_740_992)
        #expect(value["e"]["f"].text == nil && value["b"].elements.isEmpty)
    }

    @Test func readsWhatTheWriterWrites() {
        var json = JSONWriter()
        json.object { json in
            json.member("text", "a\u{1b}[2J\u{9b}é\u{2028}\"\\")
            json.member("count", 3)
            json.member("time", -1.25)
        }
        let value = JSONValue(json.bytes)
        #expect(value?["text"].text == "a\u{1b}[2J\u{9b}é\u{2028}\"\\")
        #expect(value?["count"].integer == 3 && value?["time"].number == -1.25)
    }
}

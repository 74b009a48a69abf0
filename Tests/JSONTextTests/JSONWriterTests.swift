import JSONText
import Testing

@Suite struct JSONTests {
    private func written(_ body: (inout JSONWriter) -> Void) -> String {
        var json = JSONWriter()
        json.object(body)
        return String(decoding: json.bytes, as: UTF8.self)
    }

    @Test func membersAndNesting() {
        let text = written { json in
            json.member("a", 1)
            json.member("b", "x")
            json.member("c", true)
            json.array("d") { json in
                json.string("1")
                json.object { $0.member("e", -2.5) }
                json.array { _ in }
            }
            json.object("f") { _ in }
            json.member("g", json: Array("[1]".utf8))
            json.null("h")
        }
        #expect(text == #"{"a":1,"b":"x","c":true,"d":["1",{"e":-2.500},[]],"f":{},"g":[1],"h":null}"#)
    }

    @Test func whatIsNotThereIsNull() {
        let text = written { json in
            json.member("a", nil as String?)
            json.member("b", nil as Int?)
            json.member("c", Double.infinity)
            json.member("d", nil as Double?)
            json.member("e", utf8: nil)
        }
        #expect(text == #"{"a":null,"b":null,"c":null,"d":null,"e":null}"#)
    }

    @Test(arguments: [
        (0, "0.000"), (0.0004, "0.000"), (0.001, "0.001"), (-0.0125, "-0.013"), (12.3456, "12.346"), (-7, "-7.000"),
        (999_999.9996, "1000000.000"), (123_456_789.5, "123456789.500"), (1e15, "null"), (-.infinity, "null"),
        (.nan, "null"),
    ])
    func numbersHaveThreeDigitsBehindThePoint(_ number: Double, _ shown: String) {
        #expect(written { $0.member("a", number) } == "{\"a\":\(shown)}")
    }

    @Test func wholeNumbersOfAnySize() {
        let text = written { json in
            json.member("a", UInt64.max)
            json.member("b", Int.min)
            json.member("c", UInt8(0))
            json.member("d", word: "x")
        }
        #expect(text == #"{"a":18446744073709551615,"b":-9223372036854775808,"c":0,"d":"x"}"#)
    }

    @Test func everyByteIsPrintable() {
        for byte in UInt8.min...UInt8.max {
            let text = written { $0.member("a", utf8: [byte]) }
            #expect(text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) })
            #expect(!text.contains("<") && !text.contains(">"))
        }
    }
}

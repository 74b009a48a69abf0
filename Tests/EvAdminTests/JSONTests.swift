import EvAdmin
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

    @Test func everyByteIsPrintable() {
        for byte in UInt8.min...UInt8.max {
            let text = written { $0.member("a", utf8: [byte]) }
            #expect(text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) })
            #expect(!text.contains("<") && !text.contains(">"))
        }
    }
}

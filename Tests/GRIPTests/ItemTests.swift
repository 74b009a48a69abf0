import EvTestSupport
import JSONText
import Testing

@testable import GRIP

/// An item as a publisher writes it: `want` is the item as this server writes it, or the text of the error.
struct ItemCase: Decodable, Sendable, CustomStringConvertible {
    let name: String
    let `in`: String
    let want: String

    var description: String { name }

    static let all: [ItemCase] = CorpusFile.load("grip-items")
}

@Suite struct ItemTests {
    @Test func corpusIsLarge() {
        let cases = ItemCase.all
        #expect(cases.count > 70 && Set(cases.map(\.name)).count == cases.count)
    }

    @Test(arguments: ItemCase.all)
    func isReadAsPushpinDoes(_ example: ItemCase) {
        do throws(GRIPError) {
            let item = try Item(json: CorpusFile.expand(example.in))
            #expect(text(item.json) == expanded(example.want))
            #expect(try Item(json: item.json) == item)
        } catch {
            #expect(error.text == expanded(example.want))
        }
    }

    @Test(arguments: ItemCase.all)
    func isRefusedAtEveryCut(_ example: ItemCase) {
        let bytes = CorpusFile.expand(example.in)
        for count in cuts(bytes.count) where count < bytes.count {
            #expect((try? Item(json: Array(bytes.prefix(count)))) == nil)
        }
    }

    @Test(arguments: [
        ("{", "Body is not valid JSON."), ("[]", "Invalid format."),
        ("{}", "Invalid format: object does not contain 'items'"),
        (#"{"items":{}}"#, "Invalid format: object contains 'items' with wrong type"),
        (#"{"items":[{"channel":"a"}]}"#, "Invalid format: no formats specified"),
        (
            #"{"items":[{"channel":"a","http-response":{"body":""}},1]}"#,
            "Invalid format: publish item object is not an object"
        ),
    ])
    func documentsAreRefused(_ document: String, _ reason: String) {
        do throws(GRIPError) {
            _ = try Item.list(utf8(document))
            Issue.record("was read")
        } catch {
            #expect(error.text == reason)
        }
    }

    @Test func documentsHaveItemsInOrder() throws {
        let item = #"{"channel":"CHANNEL","http-stream":{"content":"x"}}"#
        let items = ["b", "a", "b"].map { item.replacing("CHANNEL", with: $0) }.joined(separator: ",")
        let read = try Item.list(utf8(#"{"items":[\#(items)],"other":1}"#))
        #expect(read.map { text($0.channel) } == ["b", "a", "b"])
        #expect(try Item.list(utf8(#"{"items":[]}"#)).isEmpty)
    }

    @Test func contentsInEveryFormat() throws {
        var item = try Item(channel: utf8("a"), content: utf8("é"), isText: true)
        try item.describe(id: utf8("2"), previousID: utf8("1"), meta: [Field("sender", "bob")])
        #expect(
            text(item.json)
                == #"{"channel":"a","id":"2","prev-id":"1","formats":{"any":{"content":"é"}},"meta":{"sender":"bob"}}"#)
        #expect(item.response?.body == .bytes(utf8("é")) && item.stream?.content == utf8("é"))
        #expect(item.socket?.content == utf8("é") && item.socket?.kind == .text)
        #expect(try Item(channel: utf8("a"), content: utf8("x"), isText: false).socket?.kind == .binary)
        #expect(try Item(channel: utf8("a"), content: [0xff], isText: true).socket?.kind == .binary)
        #expect(throws: GRIPError.self) { try Item(channel: [], content: [], isText: true) }
        #expect(throws: GRIPError.self) { try Item(channel: utf8("a\nb"), content: [], isText: true) }
    }

    @Test func messagesHaveABound() throws {
        func item(_ count: Int) throws -> Item {
            try Item(channel: utf8("a"), content: [UInt8](repeating: 120, count: count), isText: true)
        }
        let packed = try item(100_000).packed()
        #expect(packed.channel == utf8("ga") && packed.payload.count < 100_060)
        let larger = try item(Limits.message)
        #expect(throws: GRIPError("a message of more than 16777216 bytes on channel 'a'")) { try larger.packed() }
    }

    @Test func contentsOfEveryByte() throws {
        let bytes = (0...255).map { UInt8($0) }
        for content in [bytes, Array(bytes[..<128]), bytes.shuffled(), []] {
            for isText in [false, true] {
                let item = try Item(channel: utf8("a"), content: content, isText: isText)
                #expect(try Item(json: item.json) == item)
            }
        }
    }

    @Test func fieldsOfAnAnswerStandOverThoseOfTheApp() {
        var format = ResponseFormat()
        let inherited = [Field("Content-Type", "text/plain"), Field("X-A", "1"), Field("X-A", "2"), Field("X-B", "3")]
        #expect(format.fields(over: inherited) == inherited)
        format.fields = [Field("x-a", "9"), Field("Grip-Other", "1")]
        #expect(format.fields(over: inherited) == [inherited[0], inherited[3], Field("x-a", "9")])
        format.fields.append(Field("Grip-Expose-Headers", "X-A, content-type"))
        #expect(format.fields(over: inherited) == [inherited[0], Field("x-a", "9")])
    }
}

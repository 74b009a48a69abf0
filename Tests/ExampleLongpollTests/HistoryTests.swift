import EvLoop
import Testing

@testable import example_longpoll

@Suite struct HistoryTests {
    private func message(_ id: Int, _ text: String = "") -> Message { Message(id: id, fields: Array("{\(text)}".utf8)) }

    @Test func messageKnowsItsID() throws {
        let message = try #require(Message(Array(#"{"id":17,"name":"ann","text":"hi"}"#.utf8)))
        #expect(message.id == 17)
        #expect(message == Message(id: 17, fields: Array(#"{"name":"ann","text":"hi"}"#.utf8)))
    }

    @Test(arguments: [
        "", "{", "{}", "[]", #"{"id":}"#, #"{"id":0,"a":1}"#, #"{"id":-1,"a":1}"#, #"{"id":x,"a":1}"#,
        #"{"id":1,"a":1"#, #"{"id":9999999999999999999,"a":1}"#, #"{"name":"id","id":1}"#,
    ]) func whatIsNoMessageIsNone(_ json: String) {
        #expect(Message(Array(json.utf8)) == nil)
    }

    @Test func onlyNewMessagesFollow() {
        let history = History([message(5), message(6)]).followed(by: [message(6), message(7)])
        #expect(history.last == 7)
        #expect(history.after(5, atMost: 100).map(\.id) == [6, 7])
        #expect(history.after(0, atMost: 2).map(\.id) == [5, 6])
        #expect(history.after(7, atMost: 2).isEmpty && history.after(99, atMost: 2).isEmpty)
        #expect(history.newest(1).map(\.id) == [7])
    }

    @Test func aThousandAreKept() {
        let history = History((1...1500).map { message($0) })
        #expect(history.after(0, atMost: .max).map(\.id) == Array(501...1500))
        #expect(history.followed(by: [message(1501)]).after(0, atMost: .max).map(\.id) == Array(502...1501))
    }

    @Test func anotherHistoryIsRecognised() {
        let known = History([message(1), message(2, "a")])
        #expect(!History([message(1), message(2, "a"), message(3)]).contradicts(known))
        #expect(!History([message(2000)]).contradicts(known))
        #expect(History([]).contradicts(known))
        #expect(History([message(1)]).contradicts(known))
        #expect(History([message(1), message(2, "b"), message(3)]).contradicts(known))
        #expect(!History([message(1)]).contradicts(History()))
    }
}

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

    @Test func onlyTheNextMessageIsTaken() {
        var history = History([message(5), message(6)])
        #expect(history.append(message(6)) == .known)
        #expect(history.append(message(8)) == .beyondGap)
        #expect(history.append(message(7)) == .next)
        #expect(history.last == 7)
        #expect(history.after(5, atMost: 100).map(\.id) == [6, 7])
        #expect(history.after(0, atMost: 2).map(\.id) == [5, 6])
        #expect(history.after(7, atMost: 2).isEmpty && history.after(99, atMost: 2).isEmpty)
        #expect(history.newest(1).map(\.id) == [7])
    }

    @Test func aThousandAreKept() {
        var history = History((1...1500).map { message($0) })
        #expect(history.after(0, atMost: .max).map(\.id) == Array(501...1500))
        #expect(history.append(message(1501)) == .next)
        #expect(history.after(0, atMost: .max).map(\.id) == Array(502...1501))
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

    @Test func urlNamesARedis() throws {
        #expect(try RedisURL("redis://cache").address == .tcp(host: "cache", port: 6379))
        #expect(try RedisURL("unix:///run/redis.sock").address == .unix(path: "/run/redis.sock"))
        #expect(try RedisURL("redis://[::1]:7000").address == .tcp(host: "::1", port: 7000))
        let full = try RedisURL("redis://ann:p%40ss@10.0.0.1:7000/3")
        #expect(full.address == .tcp(host: "10.0.0.1", port: 7000))
        #expect((full.user, full.password, full.database) == ("ann", "p@ss", 3))
        let password = try RedisURL("redis://:secret@cache/")
        #expect((password.user, password.password, password.database) == (nil, "secret", 0))
    }

    @Test(arguments: [
        "", "cache", "http://cache", "redis://", "redis://:6379", "redis://cache:99999", "redis://cache:x",
        "redis://cache/x", "redis://cache/-1", "redis://cache/0?x=1", "unix://run/redis.sock", "unix:", "redis://a b",
    ]) func whatIsNoURLIsRefused(_ text: String) {
        #expect(throws: SettingsError.self) { try RedisURL(text) }
    }
}

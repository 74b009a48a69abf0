import Testing

@testable import GRIP

@Suite struct FilterTests {
    /// What becomes of a content: nil if it is dropped; else the content, or the reason why it cannot be made.
    private func result(
        _ filters: [Filter], _ content: String, subscription: Meta = [], message: Meta = [],
        channels: [(String, String?)] = []
    ) -> String? {
        let context = FilterContext(
            subscription: subscription, message: message, channels: channels.map { (utf8($0.0), $0.1.map(utf8)) })
        do throws(GRIPError) {
            switch try filters.verdict(on: utf8(content), context) {
            case .send: return content
            case .drop: return nil
            case .changed(let bytes): return text(bytes)
            }
        } catch {
            return "! " + error.text
        }
    }

    @Test func whoHasSentItDoesNotGetIt() {
        let bob = [Field("user", "bob")]
        #expect(result([.skipSelf], "x", subscription: bob, message: [Field("sender", "bob")]) == nil)
        #expect(result([.skipSelf], "x", subscription: bob, message: [Field("sender", "al")]) == "x")
        #expect(result([.skipSelf], "x", subscription: bob) == "x")
        #expect(result([.skipSelf], "x", message: [Field("sender", "bob")]) == "x")
        #expect(result([.skipSelf], "x", subscription: [Field("user", "")], message: [Field("sender", "")]) == "x")
        #expect(result([], "x", subscription: bob, message: [Field("sender", "bob")]) == "x")
    }

    @Test func whoIsNamedDoesNotGetIt() {
        func users(_ user: String, _ skipped: String) -> String? {
            result(
                [.skipUsers], "x", subscription: [Field("user", user)], message: [Field("skip_users", skipped)])
        }
        #expect(users("bob", "bob") == nil && users("bob", "al, bob ,eve") == nil)
        #expect(users("bob", "bobby,al") == "x" && users("bob", "") == "x" && users("", ",") == "x")
    }

    @Test func whoDoesNotListenToAnotherChannelDoesNotGetIt() {
        let required = [Field("require_sub", "b")]
        #expect(result([.requireSubscription], "x", message: required, channels: [("a", nil)]) == nil)
        #expect(result([.requireSubscription], "x", message: required, channels: [("a", nil), ("b", nil)]) == "x")
        #expect(result([.requireSubscription], "x", message: [], channels: [("a", nil)]) == "x")
    }

    @Test(arguments: [
        ("hello %(user)s!", "hello bob!"), ("100%%", "100%"), ("", ""), ("%(user)s%(user)s", "bobbob"),
        ("%(us\\er)s", "bob"), ("%", "! Expected directive after '%' at position 0"),
        ("ab%(user", "! Unterminated field starting at position 3"),
        ("%(user)", "! Expected directive after ')' at position 6"),
        ("%(user\\", "! Unterminated field starting at position 1"),
        ("%s", "! Directive 's' requires argument at position 1"),
        ("%(other)s", "! No such variable 'other' at position 8"),
        ("%(user)d", "! Unknown directive 'd' at position 7"), ("%I", "! Unknown directive 'I' at position 1"),
        ("%1", "! Unknown directive '1' at position 1"),
    ])
    func variables(_ content: String, _ want: String) {
        #expect(result([.variables], content, subscription: [Field("user", "bob")]) == want)
    }

    @Test(arguments: [
        ("id: %I", "id: 5-7"), ("id: %(x)I", "id: x"), ("plain", "plain"), ("%%I", "%I"),
        ("%s", "! Unknown directive 's' at position 1"),
    ])
    func ids(_ content: String, _ want: String) {
        let format = [Field("id_format", "%(a)s-%(b)s")]
        #expect(result([.buildID], content, subscription: format, channels: [("a", "5"), ("b", "7")]) == want)
    }

    @Test func idsThatCannotBeMade() {
        let format = [Field("id_format", "%(a)s")]
        #expect(result([.buildID], "%I") == "! no sub meta 'id_format'")
        #expect(
            result([.buildID], "%I", subscription: format, channels: [("a", nil)])
                == "! failed to render ID: No such variable 'a' at position 4")
        #expect(
            result([.buildID], "%I", subscription: format)
                == "! No ID specified and no default ID in context at position 1")
        let hex = format + [Field("id_encoding", "hex")]
        #expect(result([.buildID], "%I", subscription: hex, channels: [("a", "1é")]) == "31c3a9")
        let other = format + [Field("id_encoding", "base64")]
        #expect(
            result([.buildID], "%I", subscription: other, channels: [("a", "1")]) == "! unsupported encoding: base64")
    }

    @Test func oneAfterTheOther() {
        let subscription = [Field("user", "bob"), Field("id_format", "%(a)s"), Field("x", "%I")]
        #expect(
            result([.variables, .buildID], "%(x)s", subscription: subscription, channels: [("a", "5")]) == "5")
        // The one that drops comes first: that the content cannot be made is not looked at.
        #expect(
            result([.skipSelf, .variables], "%", subscription: subscription, message: [Field("sender", "bob")]) == nil)
        #expect([Filter.skipSelf, .variables, .buildID].contentFilterNames == [utf8("var-subst"), utf8("build-id")])
    }
}

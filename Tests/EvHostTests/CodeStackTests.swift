import EvHost
import EvServer
import Testing

/// What is told of code and requests: whatever apps and clients put there, it stays in its line.
@Suite struct CodeStackTests {
    private static let hostile = "a\n[2026] \"b\"\r\u{1b}[31m\u{85}\u{2028}\u{7f}é"

    @Test func requestIsOneLine() {
        let summary = RequestSummary(
            method: "GET\n", path: Self.hostile, client: "192.0.2.1\n", age: 12.34, state: .writing)
        #expect(
            summary.text == #""GET\x0a a\x0a[2026] \x22b\x22\x0d\x1b[31m\x85\u2028\x7fé" of 192.0.2.1\x0a, "#
                + "for 12.3 s, writing to a slow client")
    }

    @Test func peerOfUnixSocketHasNoAddress() {
        let summary = RequestSummary(method: "GET", path: "/", client: "", age: 0.96, state: .app)
        #expect(summary.text == #""GET /" of a Unix socket, for 0.9 s, in the app"#)
    }

    @Test(arguments: [Double.infinity, -.infinity, .nan, 1e300, -1]) func strangeAgesDoNotTrap(_ age: Double) {
        let summary = RequestSummary(method: "GET", path: "/", client: "", age: age, state: .app)
        #expect(summary.text.hasSuffix(" s, in the app"))
    }

    @Test func eachFrameIsTwoLinesThatLookLikeNoEntry() {
        let stack = CodeStack(
            kind: .thread,
            frames: [#"File "a.py", line 1, in f"# + "\n  f()", "... 3 frames are left out ...", Self.hostile])
        #expect(
            stack.text == """
                  File "a.py", line 1, in f
                    f()
                  ... 3 frames are left out ...
                  a
                  [2026] "b"\\x0d\\x1b[31m\\x85\\u2028\\x7fé

                """)
        #expect(stack.text.split(separator: "\n").allSatisfy { $0.hasPrefix("  ") })
    }

    @Test func jsonHasRequestsAndFrames() {
        let request = RequestSummary(method: "GET", path: "/\"", client: "192.0.2.1", age: 1.5, state: .app)
        let stacks = CodeStacks(
            [
                CodeStack(kind: .task, name: "poller\u{1b}", request: request, frames: ["File\n  x"]),
                CodeStack(kind: .thread),
            ], leftOut: 7)
        #expect(
            String(decoding: stacks.json, as: UTF8.self)
                == #"{"stacks":[{"kind":"task","name":"poller\u001b","request":"#
                + #"{"method":"GET","target":"/\"","client":"192.0.2.1","age":1.500,"state":"in the app"},"#
                + #""frames":["File\n  x"]},{"kind":"thread","name":"","request":null,"frames":[]}],"left_out":7}"#)
    }
}

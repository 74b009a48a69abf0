import EvLoop
import EvTestSupport
@testable import EvServer
import HTTPCore
import Testing

private let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
private let parent = "00-\(trace)-00f067aa0ba902b7-01"

/// What is taken for an id, and what a head has behind the reading of it.
@Suite struct TracingTests {
    // MARK: grammars

    private func isValid(parent text: String) -> Bool {
        GuardedBytes(capacity: 256).holding(Array(text.utf8)) { TraceParent.isValid($0) }
    }

    @Test(arguments: [
        parent, "00-\(trace)-00f067aa0ba902b7-00", "00-\(trace)-00f067aa0ba902b7-ff",
        "00-00000000000000000000000000000001-0000000000000001-03",
        // Later versions begin as this one does.
        "01-\(trace)-00f067aa0ba902b7-01", "fe-\(trace)-00f067aa0ba902b7-01", "cc-\(trace)-00f067aa0ba902b7-01-",
        "cc-\(trace)-00f067aa0ba902b7-01-what-the-future.will/be",
    ])
    func traceParentThatIsValid(_ text: String) { #expect(isValid(parent: text)) }

    @Test(arguments: [
        "", "-", "00", "00-", trace, "00-\(trace)", "00-\(trace)-00f067aa0ba902b7", "00-\(trace)-00f067aa0ba902b7-",
        "00-\(trace)-00f067aa0ba902b7-0", "00-\(trace)-00f067aa0ba902b7-011", "\(parent)-", "\(parent)-more",
        "\(parent) ", " \(parent)", "\(parent), \(parent)",
        // The version
        "ff-\(trace)-00f067aa0ba902b7-01", "ff-\(trace)-00f067aa0ba902b7-01-x", "0-\(trace)-00f067aa0ba902b7-01x",
        "FE-\(trace)-00f067aa0ba902b7-01", "0g-\(trace)-00f067aa0ba902b7-01", "01-\(trace)-00f067aa0ba902b7-011",
        "01-\(trace)-00f067aa0ba902b7-01.x", "01-\(trace)-00f067aa0ba902b7-01-a b",
        "01-\(trace)-00f067aa0ba902b7-01-\u{e9}", "01-\(trace)-00f067aa0ba902b7-01-\u{7f}",
        // Nobody, and letters that are none of the digits
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-\(trace)-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "00-\(trace)-00F067AA0BA902B7-01",
        "00-\(trace)-00f067aa0ba902b7-0A", "00-\(trace)-00f067aa0ba902b7-0x", "00-\(trace)-00f067aa0ba902g7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473 -00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-000f067aa0ba902b7-01",
        // Other dashes
        "00_\(trace)-00f067aa0ba902b7-01", "00-\(trace)_00f067aa0ba902b7-01", "00-\(trace)-00f067aa0ba902b7_01",
    ])
    func traceParentThatIsNot(_ text: String) { #expect(!isValid(parent: text)) }

    /// Each byte in each place, beside a grammar written in another way.
    @Test func traceParentWithOneOtherByte() throws {
        let memory = GuardedBytes(capacity: 256)
        let grammar = /(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}/
        for place in 0..<parent.utf8.count {
            for byte in UInt8(0)..<128 {
                var bytes = Array(parent.utf8)
                bytes[place] = byte
                let expected = String(decoding: bytes, as: UTF8.self).wholeMatch(of: grammar) != nil
                #expect(memory.holding(bytes) { TraceParent.isValid($0) } == expected, "\(place) \(byte)")
            }
            #expect(!memory.holding(Array(parent.utf8.prefix(place))) { TraceParent.isValid($0) })
        }
    }

    @Test(arguments: [
        "a", "0", "9bb3a5d8-5d6d-4d8b-9c8b-6f0d5a2f0d7e", "Root=1-67891233-abcdef012345678912345678", "aGk+/w==",
        "worker@host:8000/~x_1.2", String(repeating: "x", count: 128),
    ])
    func requestIDThatIsValid(_ text: String) { #expect(Array(text.utf8).withUnsafeBytes { RequestID.isValid($0) }) }

    @Test func requestIDOfAnyByte() {
        let plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:+/=@"
        for byte in UInt8.min...UInt8.max {
            let isValid = plain.utf8.contains(byte)
            for bytes in [[byte], [97, byte], [byte, 97], [97, byte, 97]] {
                #expect(bytes.withUnsafeBytes { RequestID.isValid($0) } == isValid, "\(bytes)")
            }
        }
        #expect(![UInt8]().withUnsafeBytes { RequestID.isValid($0) })
        #expect(![UInt8](repeating: 97, count: 129).withUnsafeBytes { RequestID.isValid($0) })
    }

    @Test func identifiersAreDigitsAndNeverTheSame() {
        var one = IdentifierSource()
        var other = IdentifierSource()
        var seen = Set<[UInt8]>()
        for turn in 0..<3000 {
            var text = [UInt8](repeating: 0, count: turn % 3 == 0 ? 16 : 32)
            text.withUnsafeMutableBytes { if turn % 2 == 0 { one.write($0) } else { other.write($0) } }
            #expect(text.allSatisfy { "0123456789abcdef".utf8.contains($0) })
            seen.insert(text)
            if text.count == 32 { #expect(text[12] == UInt8(ascii: "4") && "89ab".utf8.contains(text[16])) }
        }
        #expect(seen.count == 3000)
    }

    // MARK: heads

    /// The fields that an app is shown, but for Host.
    @LoopActor private func fields(
        _ lines: String, isTrusted: Bool = true, name: String = "X-Request-ID",
        _ newTraces: TracingConfiguration.NewTraces = .sampled
    ) throws -> [(name: String, value: String)] {
        var configuration = TracingConfiguration()
        (configuration.name, configuration.newTraces) = (name, newTraces)
        let tracing = try #require(RequestTracing(configuration))
        let received = try head(lines)
        let stamped = tracing.stamped(received, isTrusted: isTrusted)
        #expect(tracing.stamped(stamped, isTrusted: true) === stamped)
        // What pointed into the head that was received points into this one.
        #expect(stamped.string(stamped.target) == "/" && stamped.string(stamped.authority) == "test")
        let line = try #require(stamped.withoutFields())
        for head in [stamped, tracing.shortened(stamped, to: line)] {
            let identifier = String(decoding: tracing.requestID(of: head), as: UTF8.self)
            let found = head.fields.filter { head.string($0.name).lowercased() == name.lowercased() }
            #expect(found.count == 1 && head.string(found[0].value) == identifier)
            #expect(
                String(decoding: tracing.line(for: tracing.requestID(of: head)), as: UTF8.self)
                    == "\(name): \(identifier)\r\n")
        }
        let all = stamped.fields.map { (name: stamped.string($0.name), value: stamped.string($0.value)) }
        #expect(all.first?.name == "Host")
        return Array(all.dropFirst())
    }

    @LoopActor @Test func makesWhatIsAbsent() throws {
        SharedLoop.ensure()
        let made = try fields("Via: x")
        #expect(made.map(\.name) == ["Via", "X-Request-ID", "traceparent"])
        // Who knows one finds the other.
        #expect(made[2].value.hasPrefix("00-\(made[1].value)-") && made[2].value.hasSuffix("-03"))
        #expect(made[1].value.count == 32 && isValid(parent: made[2].value))
        #expect(try fields("Via: x", .unsampled)[2].value.hasSuffix("-02"))
        #expect(try fields("Via: x", .none).map(\.name) == ["Via", "X-Request-ID"])
        #expect(
            try fields("X-Request-ID: old", name: "X-Correlation-ID", .none).map(\.name)
                == ["X-Request-ID", "X-Correlation-ID"])
    }

    @LoopActor @Test func passesOnWhatATrustedPeerSays() throws {
        SharedLoop.ensure()
        let lines = "x-REQUEST-id:a-1\r\ntracestate: a=1\r\nTraceparent: \(parent)\r\ntracestate: b=2"
        let kept = try fields(lines)
        #expect(kept.map(\.value) == ["a-1", "a=1", parent, "b=2"])
        #expect(try fields(lines, .none).map(\.value) == kept.map(\.value))
        // One without the other
        #expect(
            try fields("traceparent: \(parent)\r\ntracestate: a=1").map(\.name)
                == ["traceparent", "tracestate", "X-Request-ID"])
        let begun = try fields("X-Request-ID: a\r\nVia: x\r\ntracestate: a=1")
        #expect(begun.map(\.name) == ["X-Request-ID", "Via", "traceparent"])
        #expect(begun[0].value == "a")
        // Without its parent a state belongs to nothing.
        #expect(try fields("X-Request-ID: a\r\ntracestate: a=1", .none).map(\.name) == ["X-Request-ID"])
    }

    @LoopActor @Test func replacesWhatOthersSay() throws {
        SharedLoop.ensure()
        let lines = "X-Request-ID: evil\r\ntraceparent: \(parent)\r\nVia: x\r\ntracestate: evil=1\r\nX-Request-ID: more"
        let made = try fields(lines, isTrusted: false)
        #expect(made.map(\.name) == ["Via", "X-Request-ID", "traceparent"])
        #expect(!made.contains { $0.value.contains("evil") || $0.value.contains(trace) })
        #expect(try fields("X-Request-ID: evil", isTrusted: false)[0].value != "evil")
        #expect(try fields(lines, isTrusted: false, .none).map(\.name) == ["Via", "X-Request-ID"])
    }

    @LoopActor
    @Test(arguments: ["", "a b", "a,b", "a\"", "%41", "${jndi}", "\u{e9}", "<b>", String(repeating: "a", count: 129)])
    func replacesABadID(_ value: String) throws {
        SharedLoop.ensure()
        let made = try fields("X-Request-ID: \(value)\r\ntraceparent: \(parent)")
        #expect(made.map(\.name) == ["traceparent", "X-Request-ID"] && made[0].value == parent)
        #expect(made[1].value.count == 32)
    }

    @LoopActor @Test func believesNoIDOfTwo() throws {
        SharedLoop.ensure()
        let made = try fields("X-Request-ID: a\r\nX-Request-ID: a")
        #expect(made.map(\.name) == ["X-Request-ID", "traceparent"] && made[0].value != "a")
    }

    @LoopActor
    @Test(arguments: [
        "traceparent: \(parent)\r\ntraceparent: \(parent)", "traceparent:", "traceparent: \(parent)x",
        "traceparent: \(parent)\r\nTraceParent: x", "traceparent: x\r\ntraceparent: \(parent)",
    ])
    func beginsAnotherTraceWhereOneIsNotValid(_ lines: String) throws {
        SharedLoop.ensure()
        let made = try fields("X-Request-ID: a\r\n\(lines)\r\ntracestate: a=1")
        #expect(made.map(\.name) == ["X-Request-ID", "traceparent"] && made[0].value == "a")
        #expect(isValid(parent: made[1].value) && !made[1].value.contains(trace))
        #expect(try fields("X-Request-ID: a\r\n\(lines)", .none).map(\.name) == ["X-Request-ID"])
    }

    /// A WSGI app has one name for them.
    @LoopActor @Test func dropsWhatAnAppCouldTakeForTheID() throws {
        SharedLoop.ensure()
        for isTrusted in [true, false] {
            let made = try fields(
                "X_Request_ID: b\r\nX-Request_id: c\r\nX_Y: d\r\nX-Request-ID: a", isTrusted: isTrusted)
            #expect(Set(made.map(\.name)) == ["X_Y", "X-Request-ID", "traceparent"])
        }
    }

    /// Any head stays readable, and has one id.
    @LoopActor @Test func anyFields() throws {
        SharedLoop.ensure()
        var random = SystemRandomNumberGenerator()
        let names = ["X-Request-ID", "traceparent", "tracestate", "Via", "x_request_id", "X-Request-IE"]
        let values = ["a", "", parent, "a b", "\u{1f642}", "00-\(trace)-0000000000000000-00"]
        for _ in 0..<3000 {
            let lines = (0..<Int.random(in: 0..<7, using: &random)).map { _ in
                "\(names.randomElement(using: &random) ?? ""): \(values.randomElement(using: &random) ?? "")"
            }
            let isTrusted = Bool.random(using: &random)
            let made = try fields((["Via: y"] + lines).joined(separator: "\r\n"), isTrusted: isTrusted)
            let parents = made.filter { $0.name == "traceparent" }
            #expect(parents.count == 1 && isValid(parent: parents[0].value))
            #expect(made.filter { $0.name == "Via" }.count == 1 + lines.filter { $0.hasPrefix("Via") }.count)
        }
    }
}

// The ids of requests: that of the request itself (`X-Request-ID`), and the trace that it belongs to (`traceparent`).
// Law: a trusted peer's are passed on as they are; everybody else's are replaced, and so is what is not of the grammar.
// Behind `stamped` a head has exactly one id, and at most one trace, which is valid.

import EvLoop
import HTTP1
import HTTPCore
import Logging

@LoopActor
final class RequestTracing {
    private let name: [UInt8]
    /// In lower case.
    let lowercaseName: [UInt8]
    private let newTraces: TracingConfiguration.NewTraces
    private let filter: FieldNameFilter
    // Nothing calls back while one of these is being changed.
    @exclusivity(unchecked) private var source = IdentifierSource()
    @exclusivity(unchecked) private var added = AddedLines()
    @exclusivity(unchecked) private var made: [UInt8] = []
    private let text = ByteWriter(capacity: 256)

    private static let parentName = Array("traceparent".utf8)
    private static let stateName = Array("tracestate".utf8)

    /// Nil where the settings ask for no ids.
    init?(_ configuration: TracingConfiguration?) {
        guard let configuration else { return nil }
        name = Array(configuration.name.utf8)
        lowercaseName = Array(configuration.name.lowercased().utf8)
        newTraces = configuration.newTraces
        filter = FieldNameFilter([lowercaseName, Self.parentName, Self.stateName])
    }

    // MARK: requests

    /// What a head says of its ids. Places are those of its fields.
    private struct Found {
        var ids = 0
        var parents = 0
        var states = 0
        var goodID = false
        var goodParent = false
        var dropped: [Int] = []
    }

    /// The head with ids that can be believed.
    func stamped(_ head: RequestHead, isTrusted: Bool) -> RequestHead {
        var found = Found()
        if head.hasUnderscore || head.mayHave(filter) { look(head, isTrusted: isTrusted, &found) }
        let keepsID = found.ids == 1 && found.goodID
        let keepsParent = found.parents == 1 && found.goodParent
        let dropsState = found.states > 0 && !keepsParent
        let makesParent = !keepsParent && newTraces != .none
        if keepsID, !makesParent, !dropsState, found.dropped.isEmpty, keepsParent || found.parents == 0 { return head }
        added.removeAll()
        made.removeAll(keepingCapacity: true)
        if !keepsID || makesParent { source.append(16, to: &made) }
        if !keepsID { added.append(name: name, value: made) }
        if makesParent { added.append(name: Self.parentName, value: newParent(trace: made)) }
        return head.copy(keeping: kept(of: head, keepsID, keepsParent, found), adding: added)
    }

    private func look(_ head: RequestHead, isTrusted: Bool, _ found: inout Found) {
        for (place, field) in head.fields.enumerated() {
            let value = head.bytes(of: field.value)
            if head.matches(field.name, lowercaseName) {
                found.ids += 1
                found.goodID = isTrusted && RequestID.isValid(value)
            } else if head.matches(field.name, Self.parentName) {
                found.parents += 1
                found.goodParent = isTrusted && TraceParent.isValid(value)
            } else if head.matches(field.name, Self.stateName) {
                found.states += 1
            } else if head.hasUnderscore, isTwin(head.bytes(of: field.name)) {
                found.dropped.append(place)
            }
        }
    }

    /// `X_Request_ID`, which a WSGI app could not tell from the id.
    private func isTwin(_ name: UnsafeRawBufferPointer) -> Bool {
        name.count == lowercaseName.count
            && zip(name, lowercaseName).allSatisfy { byte, expected in
                byte == expected || byte == UInt8(ascii: "_") && expected == UInt8(ascii: "-")
                    || 65...90 ~= byte && byte | 0x20 == expected
            }
    }

    /// For each field whether the app is to see it; empty for all.
    private func kept(of head: RequestHead, _ keepsID: Bool, _ keepsParent: Bool, _ found: Found) -> [Bool] {
        let dropsIDs = found.ids > 0 && !keepsID
        let dropsTraces = found.parents + found.states > 0 && !keepsParent
        guard dropsIDs || dropsTraces || !found.dropped.isEmpty else { return [] }
        var kept = head.fields.map { field in
            if dropsIDs, head.matches(field.name, lowercaseName) { return false }
            guard dropsTraces else { return true }
            return !head.matches(field.name, Self.parentName) && !head.matches(field.name, Self.stateName)
        }
        for place in found.dropped { kept[place] = false }
        return kept
    }

    /// A parent that nobody has recorded. The flags say that the trace is random, and may say that it is sampled.
    private func newParent(trace: [UInt8]) -> [UInt8] {
        var value: [UInt8] = []
        value.reserveCapacity(TraceParent.count)
        value.append(contentsOf: "00-".utf8)
        value.append(contentsOf: trace)
        value.append(UInt8(ascii: "-"))
        source.append(8, to: &value)
        value.append(contentsOf: (newTraces == .sampled ? "-03" : "-02").utf8)
        return value
    }

    // MARK: what a head has

    /// The id in a head that was stamped.
    func requestID(of head: RequestHead) -> UnsafeRawBufferPointer {
        value(of: lowercaseName, in: head)
    }

    /// The 32 digits of its trace; empty for none.
    func traceID(of head: RequestHead) -> UnsafeRawBufferPointer {
        let value = value(of: Self.parentName, in: head)
        return value.count < TraceParent.count ? value : UnsafeRawBufferPointer(rebasing: value[TraceParent.trace])
    }

    /// What was added stands at the end.
    private func value(of name: [UInt8], in head: RequestHead) -> UnsafeRawBufferPointer {
        for field in head.fields.reversed() where head.matches(field.name, name) {
            return head.bytes(of: field.value)
        }
        return UnsafeRawBufferPointer(start: nil, count: 0)
    }

    /// The request line and the ids of a head whose other fields nobody needs any more.
    func shortened(_ head: RequestHead, to line: RequestHead) -> RequestHead {
        added.removeAll()
        added.append(name: name, value: requestID(of: head))
        let parent = value(of: Self.parentName, in: head)
        if !parent.isEmpty { added.append(name: Self.parentName, value: parent) }
        return line.copy(keeping: [], adding: added)
    }

    // MARK: responses and logs

    /// The field line for the answer to a request, or nothing where the app has written its own. Valid until the next
    /// call.
    func line(for request: RequestHead, beside response: borrowing ResponseHead) -> UnsafeRawBufferPointer {
        guard FieldBlock.value(of: lowercaseName, in: response.lines) == nil else {
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return line(for: requestID(of: request))
    }

    func line(for identifier: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        text.removeAll(keepingCapacity: true)
        name.withUnsafeBytes { text.append($0) }
        text.append(": ")
        text.append(identifier)
        text.append("\r\n")
        return text.bytes
    }

    /// An id for what could not be read.
    func newID() -> [UInt8] {
        var identifier: [UInt8] = []
        source.append(16, to: &identifier)
        return identifier
    }
}

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
    /// What a request gets that has no id, no id and no trace, no trace. The digits are those of the last one.
    @exclusivity(unchecked) private var newID = AddedLines()
    @exclusivity(unchecked) private var newIDAndParent = AddedLines()
    @exclusivity(unchecked) private var newParent = AddedLines()
    private let digits = UnsafeMutableRawBufferPointer.allocate(byteCount: 48, alignment: 8)
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
        let digits = [UInt8](repeating: UInt8(ascii: "0"), count: TraceParent.trace.count)
        // Nobody has recorded the parent. The flags say that the trace's id is random, and may say that it is sampled.
        let parent = Array("00-".utf8) + digits + Array("-0000000000000000-\(newTraces == .sampled ? "03" : "02")".utf8)
        newID.append(name: name, value: digits)
        newIDAndParent.append(name: name, value: digits)
        newIDAndParent.append(name: Self.parentName, value: parent)
        newParent.append(name: Self.parentName, value: parent)
    }

    isolated deinit { digits.deallocate() }

    // MARK: requests

    /// What a head says of its ids. Places are those of its fields.
    private struct Found {
        var ids = 0
        var parents = 0
        var states = 0
        var goodID = false
        var goodParent = false
        var dropped: [Int] = []

        var isNothing: Bool { ids + parents + states == 0 && dropped.isEmpty }
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
        let kept = found.isNothing ? [] : kept(of: head, keepsID, keepsParent, found)
        let lines = added(id: !keepsID, parent: makesParent)
        return head.copy(keeping: kept, adding: lines)
    }

    /// Lines with digits that nobody else has. Those of the id are those of the trace.
    private func added(id: Bool, parent: Bool) -> AddedLines {
        guard id || parent else { return AddedLines() }
        let trace = UnsafeMutableRawBufferPointer(rebasing: digits[..<32])
        source.write(trace)
        guard parent else {
            newID.write(UnsafeRawBufferPointer(trace), to: 0)
            return newID
        }
        let span = UnsafeMutableRawBufferPointer(rebasing: digits[32...])
        source.write(span)
        if !id {
            write(trace, span, to: 0, of: &newParent)
            return newParent
        }
        newIDAndParent.write(UnsafeRawBufferPointer(trace), to: 0)
        write(trace, span, to: 1, of: &newIDAndParent)
        return newIDAndParent
    }

    private func write(
        _ trace: UnsafeMutableRawBufferPointer, _ span: UnsafeMutableRawBufferPointer, to line: Int,
        of lines: inout AddedLines
    ) {
        lines.write(UnsafeRawBufferPointer(trace), to: line, at: TraceParent.trace.lowerBound)
        lines.write(UnsafeRawBufferPointer(span), to: line, at: TraceParent.parent.lowerBound)
    }

    private func look(_ head: RequestHead, isTrusted: Bool, _ found: inout Found) {
        let fields = head.fields
        for place in 0..<fields.count {
            let field = fields[place]
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

    // MARK: what a head has

    /// The id in a head that was stamped.
    func requestID(of head: RequestHead) -> UnsafeRawBufferPointer {
        head.lastValue(of: lowercaseName)
    }

    /// The 32 digits of its trace; empty for none.
    func traceID(of head: RequestHead) -> UnsafeRawBufferPointer {
        let value = head.lastValue(of: Self.parentName)
        return value.count < TraceParent.count ? value : UnsafeRawBufferPointer(rebasing: value[TraceParent.trace])
    }

    /// The request line and the ids of a head whose other fields nobody needs any more.
    func shortened(_ head: RequestHead, to line: RequestHead) -> RequestHead {
        var added = AddedLines()
        added.append(name: name, value: Array(requestID(of: head)))
        let parent = head.lastValue(of: Self.parentName)
        if !parent.isEmpty { added.append(name: Self.parentName, value: Array(parent)) }
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

    /// For log lines about a request.
    func metadata(of head: RequestHead) -> Logger.Metadata {
        var metadata: Logger.Metadata = ["request_id": "\(String(decoding: requestID(of: head), as: UTF8.self))"]
        let trace = traceID(of: head)
        if !trace.isEmpty { metadata["trace_id"] = "\(String(decoding: trace, as: UTF8.self))" }
        return metadata
    }

    /// An id for what could not be read.
    func freshID() -> [UInt8] {
        var identifier = [UInt8](repeating: 0, count: TraceParent.trace.count)
        identifier.withUnsafeMutableBytes { source.write($0) }
        return identifier
    }
}

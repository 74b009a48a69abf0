// What many holds have in common: the app's own answer, and how it is kept. Law: immutable, and there once for all
// holds of a worker whose apps have said the same.

import EvLoop
import GRIP
import HTTPCore

@LoopActor
final class HoldTerms {
    /// All of it, as bytes.
    let packed: [UInt8]
    let mode: HoldMode
    let status: Int
    /// Empty for the registered phrase.
    let reason: [UInt8]
    /// Field lines, each with its CRLF: those that clients may see.
    let lines: [UInt8]
    let closes: Bool
    let body: [UInt8]
    /// Seconds until a long poll is answered with that.
    let timeout: Int
    let keepAlive: KeepAlive?
    /// Holds of the worker that have these.
    fileprivate var users = 0

    /// Nil if these bytes are no terms.
    init?(packed: [UInt8]) {
        var rest = packed[...]
        guard let mode = rest.takeInteger(UInt8.self).flatMap(HoldMode.init),
            let status = rest.takeInteger(UInt16.self),
            let closes = rest.takeInteger(UInt8.self), let reason = rest.takeBlock(), let lines = rest.takeBlock(),
            let body = rest.takeBlock(), let timeout = rest.takeInteger(UInt32.self),
            let hasKeepAlive = rest.takeInteger(UInt8.self)
        else { return nil }
        (self.mode, self.status, self.closes) = (mode, Int(status), closes != 0)
        (self.reason, self.lines, self.body, self.timeout) = (reason, lines, body, Int(timeout))
        if hasKeepAlive != 0 {
            guard let mode = rest.takeInteger(UInt8.self).flatMap(KeepAlive.Mode.init),
                let seconds = rest.takeInteger(UInt32.self), let data = rest.takeBlock()
            else { return nil }
            keepAlive = KeepAlive(data: data, timeout: Int(seconds), mode: mode)
        } else {
            keepAlive = nil
        }
        self.packed = packed
    }

    static func pack(_ instruction: Instruction, _ answer: VisibleAnswer, _ mode: HoldMode) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(mode.rawValue)
        bytes.append(integer: UInt16(clamping: answer.status))
        bytes.append(answer.closes ? 1 : 0)
        bytes.append(block: answer.reason)
        bytes.append(block: answer.lines)
        bytes.append(block: mode == .response ? answer.body : [])
        bytes.append(integer: UInt32(clamping: instruction.timeout))
        guard mode == .stream, let keepAlive = instruction.keepAlive else { return bytes + [0] }
        bytes.append(1)
        bytes.append(keepAlive.mode.rawValue)
        bytes.append(integer: UInt32(clamping: keepAlive.timeout))
        bytes.append(block: keepAlive.data)
        return bytes
    }

    /// The fields of the answer, for a message that adds its own.
    var fields: [Field] { fieldList(of: lines) }
}

/// The terms of all holds of a worker.
@LoopActor
struct TermsTable {
    private struct Key: Hashable {
        let packed: [UInt8]
        func hash(into hasher: inout Hasher) { packed.withUnsafeBytes { hasher.combine(bytes: $0) } }
    }
    private var terms: [Key: HoldTerms] = [:]

    var count: Int { terms.count }

    /// Nil if these bytes are no terms. To be given back.
    mutating func take(_ packed: [UInt8]) -> HoldTerms? {
        let key = Key(packed: packed)
        let found = terms[key] ?? HoldTerms(packed: packed)
        guard let found else { return nil }
        if found.users == 0 { terms[Key(packed: found.packed)] = found }
        found.users += 1
        return found
    }

    mutating func giveBack(_ used: HoldTerms) {
        used.users -= 1
        if used.users == 0 { terms[Key(packed: used.packed)] = nil }
    }
}

/// An answer as clients may see it.
struct VisibleAnswer {
    var status: Int
    var reason: [UInt8] = []
    var lines: [UInt8] = []
    var closes = false
    var body: [UInt8] = []

    /// Of a stream whose head has left.
    init(status: Int) { self.status = status }

    /// - Parameter instruction: read to its end.
    @LoopActor init(_ answer: InstructedAnswer, _ instruction: Instruction) {
        (status, reason, lines) = (answer.status, answer.reason, instruction.visible(answer.lines))
        (closes, body) = (answer.closes, answer.body)
        if let said = instruction.response {
            (status, reason, body) = (said.code, said.reason, said.body)
            lines = fieldLines(said.fields)
        } else if let said = instruction.status {
            (status, reason) = (said.code, said.reason)
        }
    }
}

extension ResponseHead {
    /// Begins with these lines. Those that cannot stand in a head are left out, and so is what belongs to a wire.
    mutating func begin(status: Int, reason: [UInt8], lines: [UInt8], closes: Bool) throws(ResponseHeadError) {
        try reason.withBytes { reason throws(ResponseHeadError) in
            try begin(status: status, reason: reason.isEmpty ? nil : reason)
        }
        for field in fieldList(of: lines) { append(field) }
        if closes { try append("Connection", "close") }
    }

    private mutating func append(_ field: Field) {
        guard !field.belongsToWire else { return }
        field.name.withUnsafeBytes { name in
            field.value.withUnsafeBytes { value in
                try? append(name: name, value: value)
            }
        }
    }
}

extension Field {
    /// Each wire writes its own.
    var belongsToWire: Bool {
        let text = String(decoding: name, as: UTF8.self).lowercased()
        return text == "content-length" || text == "connection"
    }
}

/// The fields of a block of checked lines.
func fieldList(of lines: [UInt8]) -> [Field] {
    var fields: [Field] = []
    var rest = lines[...]
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        var line = rest[..<end]
        rest = rest[(end + 1)...]
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
        let value = line[(colon + 1)...].drop { $0 == 0x20 || $0 == 0x09 }
        fields.append(Field(name: Array(line[..<colon]), value: Array(value)))
    }
    return fields
}

func fieldLines(_ fields: [Field]) -> [UInt8] {
    var lines: [UInt8] = []
    for field in fields { lines += field.name + Array(": ".utf8) + field.value + Array("\r\n".utf8) }
    return lines
}

extension [UInt8] {
    mutating func append(block: [UInt8]) {
        append(integer: UInt32(clamping: block.count))
        append(contentsOf: block)
    }

    func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var result: Swift.Result<Result, Failure>?
        withUnsafeBytes { bytes in
            do throws(Failure) { result = .success(try body(bytes)) } catch { result = .failure(error) }
        }
        guard let result else { preconditionFailure("withUnsafeBytes calls its closure") }
        return try result.get()
    }
}

extension ArraySlice<UInt8> {
    mutating func takeBlock() -> [UInt8]? {
        guard let size = takeInteger(UInt32.self), count >= Int(size) else { return nil }
        let block = Array(prefix(Int(size)))
        removeFirst(Int(size))
        return block
    }
}

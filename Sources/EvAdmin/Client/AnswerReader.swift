// An HTTP/1.1 answer as it comes (RFC 9112), without the socket. Law: what is not understood ends the connection, and
// nothing that is kept grows without a bound.

struct AnswerReader {
    enum Failure: Error, Equatable {
        case malformed
        case tooLarge
        /// The connection has ended within the answer.
        case cutShort
    }

    private enum State: Equatable {
        case statusLine
        case fields
        case fixed(Int)
        case chunkSize
        case chunk(Int)
        case chunkEnd
        case trailer
        case untilEnd
        case complete
    }

    private(set) var status = 0
    private(set) var reason = ""
    private(set) var isJSON = false
    private var state = State.statusLine
    private var pending: [UInt8] = []
    private var index = 0
    /// Before it there is no end of a line.
    private var searched = 0
    private var headBytes = 0
    private var length: Int?
    private var isChunked = false
    private var body: [UInt8] = []
    private let bodyLimit: Int

    private static let headLimit = 65_536

    /// - Parameter bodyLimit: the most bytes that may wait to be taken.
    init(bodyLimit: Int) { self.bodyLimit = bodyLimit }

    var isComplete: Bool { state == .complete }
    /// Whether the head has been read, so that ``status`` holds.
    var hasHead: Bool { state != .statusLine && state != .fields }

    /// The body so far, without what has been taken before.
    mutating func take() -> [UInt8] {
        defer { body = [] }
        return body
    }

    mutating func feed(_ bytes: some Sequence<UInt8>) throws(Failure) {
        pending.append(contentsOf: bytes)
        while try step() {}
        pending.removeFirst(index)
        searched = max(0, searched - index)
        index = 0
    }

    /// The other side sends no more.
    mutating func end() throws(Failure) {
        if state == .untilEnd { state = .complete }
        guard isComplete else { throw .cutShort }
    }

    /// Returns false if more bytes are needed first.
    private mutating func step() throws(Failure) -> Bool {
        switch state {
        case .complete: return false
        case .fixed(let rest):
            state = .fixed(rest - (try move(rest)))
            guard state == .fixed(0) else { return false }
            state = .complete
        case .chunk(let rest):
            state = .chunk(rest - (try move(rest)))
            guard state == .chunk(0) else { return false }
            state = .chunkEnd
        case .untilEnd:
            _ = try move(.max)
            return false
        default:
            guard let line = try self.line() else { return false }
            try read(line)
        }
        return true
    }

    /// Moves up to so many bytes into the body. Returns how many.
    private mutating func move(_ most: Int) throws(Failure) -> Int {
        let count = min(most, pending.count - index)
        guard body.count + count <= bodyLimit else { throw .tooLarge }
        body.append(contentsOf: pending[index..<index + count])
        index += count
        return count
    }

    private mutating func line() throws(Failure) -> [UInt8]? {
        guard let end = pending[max(index, searched)...].firstIndex(of: 0x0a) else {
            searched = pending.count
            if pending.count - index + headBytes > Self.headLimit { throw .tooLarge }
            return nil
        }
        var line = pending[index..<end]
        if state != .chunkSize, state != .chunkEnd { headBytes += line.count + 1 }
        guard headBytes <= Self.headLimit, line.count <= Self.headLimit else { throw .tooLarge }
        if line.last == 0x0d { line.removeLast() }
        index = end + 1
        return Array(line)
    }

    private mutating func read(_ line: [UInt8]) throws(Failure) {
        switch state {
        case .statusLine: try readStatus(line)
        case .fields: try line.isEmpty ? endHead() : readField(line)
        case .chunkSize: try readChunkSize(line)
        case .chunkEnd:
            guard line.isEmpty else { throw .malformed }
            state = .chunkSize
        case .trailer: if line.isEmpty { state = .complete }
        default: throw .malformed
        }
    }

    private mutating func readStatus(_ line: [UInt8]) throws(Failure) {
        let text = String(decoding: line, as: UTF8.self)
        let parts = text.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count > 1, parts[0] == "HTTP/1.1" || parts[0] == "HTTP/1.0", parts[1].utf8.count == 3,
            let status = Int(parts[1]), (100...599).contains(status)
        else { throw .malformed }
        self.status = status
        reason = parts.count > 2 ? String(parts[2]) : ""
        state = .fields
    }

    private mutating func readField(_ line: [UInt8]) throws(Failure) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0 else { throw .malformed }
        let value = String(decoding: line[(colon + 1)...], as: UTF8.self).trimmed.lowercased()
        switch String(decoding: line[..<colon], as: UTF8.self).lowercased() {
        case "content-length":
            guard let count = Self.number(value.utf8, radix: 10), length == nil || length == count else {
                throw .malformed
            }
            length = count
        case "transfer-encoding":
            guard value == "chunked" else { throw .malformed }
            isChunked = true
        case "content-type": isJSON = value.hasPrefix("application/json")
        default: break
        }
    }

    private mutating func endHead() throws(Failure) {
        if status < 200 {
            // An interim answer (RFC 9110 section 15.2). To a change of protocols nobody has agreed.
            guard status != 101 else { throw .malformed }
            state = .statusLine
            return
        }
        if status == 204 || status == 304 {
            state = .complete
        } else if isChunked {
            guard length == nil else { throw .malformed }
            state = .chunkSize
        } else if let length {
            guard length <= bodyLimit else { throw .tooLarge }
            state = .fixed(length)
        } else {
            state = .untilEnd
        }
    }

    private mutating func readChunkSize(_ line: [UInt8]) throws(Failure) {
        let digits = line.prefix { $0 != UInt8(ascii: ";") && $0 != 0x20 && $0 != 0x09 }
        guard let count = Self.number(digits, radix: 16) else { throw .malformed }
        headBytes = 0
        state = count == 0 ? .trailer : .chunk(count)
    }

    private static func number(_ digits: some Collection<UInt8>, radix: Int) -> Int? {
        guard (1...15).contains(digits.count) else { return nil }
        var number = 0
        for byte in digits {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, digit < radix else { return nil }
            number = number * radix + digit
        }
        return number
    }
}

extension String {
    /// Without spaces and tabs at both ends.
    var trimmed: String {
        var text = self[...]
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return String(text)
    }
}

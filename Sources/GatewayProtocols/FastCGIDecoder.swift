// The records of a FastCGI connection as events ("FastCGI Specification", version 1.0). Law: one request at a time;
// what belongs to another id is refused politely, and what no server sends ends the connection. No byte of a body is
// kept.

package struct FastCGIDecoder {
    package enum Event {
        /// Everything given has been used.
        case needMoreData
        /// All variables are there; the body follows.
        case request(GatewayVariables)
        /// Bytes of the body: a range of those given.
        case body(Range<Int>)
        case bodyEnd
        /// The server wants nothing more of the request that runs.
        case abort
        /// To be answered at once, as these bytes; whatever else goes on is not touched.
        case reply([UInt8])
        case failure(GatewayError)
    }

    /// The type of a record.
    enum Kind: UInt8 {
        case begin = 1, abort, end, parameters, input, output, errors, data, getValues, getValuesResult, unknown
    }

    static let headerSize = 8
    private let limits: GatewayVariables.Limits
    /// What has come of a header, or of a block that is only understood when it is whole.
    private var partial: [UInt8] = []
    private var header: Header?
    /// Of the record's content and padding, what is still to come.
    private var contentLeft = 0
    private var paddingLeft = 0
    private var phase = Phase.idle
    /// Of the request that runs, or has run last.
    package private(set) var requestID: UInt16 = 0
    /// The server wants to send another request on this connection.
    package private(set) var keepsConnection = false
    /// The stream of variables so far.
    private var parameters: [UInt8] = []
    private var failure: GatewayError?

    private enum Phase { case idle, parameters, input, answering }

    private struct Header {
        let kind: UInt8
        let id: UInt16
    }

    package init(_ limits: GatewayVariables.Limits = .init()) { self.limits = limits }

    /// A request has begun and its answer is not over.
    package var isRunning: Bool { phase != .idle }

    /// No byte has come that is not used up, and no request runs.
    package var isAtStart: Bool { phase == .idle && header == nil && partial.isEmpty && failure == nil }
    /// The body has not ended; if its answer has, the rest is to be passed over.
    package var isInBody: Bool { phase == .input }

    /// The answer is over: another request may begin when the body is.
    package mutating func finished() {
        if phase == .input { isAnswered = true } else { phase = .idle }
    }

    /// The answer of a request whose body still comes is over.
    private var isAnswered = false

    /// - Parameters:
    ///   - bytes: what has been received; the same on each call until `.needMoreData`.
    ///   - offset: where to begin, moved over what was used.
    package mutating func next(_ bytes: UnsafeRawBufferPointer, from offset: inout Int) -> Event {
        if let failure { return .failure(failure) }
        do throws(GatewayError) {
            return try read(bytes, &offset)
        } catch {
            failure = error
            return .failure(error)
        }
    }

    private mutating func read(
        _ bytes: UnsafeRawBufferPointer, _ offset: inout Int
    ) throws(GatewayError) -> Event {
        while true {
            if header == nil {
                guard try readHeader(bytes, &offset) else { return .needMoreData }
            }
            guard let header else { return .needMoreData }
            if contentLeft > 0 {
                let available = min(contentLeft, bytes.count - offset)
                guard available > 0 else { return .needMoreData }
                let range = offset..<(offset + available)
                offset += available
                contentLeft -= available
                if isOfRequest(header), header.kind == Kind.input.rawValue {
                    guard phase == .input else { throw .order }
                    return .body(range)
                }
                try keep(UnsafeRawBufferPointer(rebasing: bytes[range]), header)
                continue
            }
            let padding = min(paddingLeft, bytes.count - offset)
            offset += padding
            paddingLeft -= padding
            guard paddingLeft == 0 else { return .needMoreData }
            self.header = nil
            if let event = try ended(header) { return event }
        }
    }

    /// Returns false while bytes are missing.
    private mutating func readHeader(
        _ bytes: UnsafeRawBufferPointer, _ offset: inout Int
    ) throws(GatewayError) -> Bool {
        let wanted = min(Self.headerSize - partial.count, bytes.count - offset)
        partial.append(contentsOf: bytes[offset..<(offset + wanted)])
        offset += wanted
        if let version = partial.first, version != 1 { throw .order }
        guard partial.count == Self.headerSize else { return false }
        header = Header(kind: partial[1], id: UInt16(partial[2]) << 8 | UInt16(partial[3]))
        contentLeft = Int(partial[4]) << 8 | Int(partial[5])
        paddingLeft = Int(partial[6])
        isEmptyRecord = contentLeft == 0
        partial = []
        return true
    }

    /// The record that is read has no content, which ends a stream.
    private var isEmptyRecord = false

    private func isOfRequest(_ header: Header) -> Bool { phase != .idle && header.id == requestID }

    /// Content that is understood when the record, or the stream, is whole.
    private mutating func keep(_ content: UnsafeRawBufferPointer, _ header: Header) throws(GatewayError) {
        switch Kind(rawValue: header.kind) {
        case .parameters where isOfRequest(header):
            guard phase == .parameters else { throw .order }
            // Lengths take up to eight bytes a variable.
            guard parameters.count + content.count <= limits.bytes + 8 * limits.count else { throw .tooLarge }
            parameters.append(contentsOf: content)
        case .begin, .getValues:
            partial.append(contentsOf: content)
            // The names of the three values that there are fit easily.
            guard partial.count <= 1024 else { throw .tooLarge }
        default:
            break
        }
    }

    /// A record is complete.
    private mutating func ended(_ header: Header) throws(GatewayError) -> Event? {
        let content = partial
        partial = []
        switch Kind(rawValue: header.kind) {
        case .begin: return try begin(header.id, content)
        case .abort:
            guard isOfRequest(header) else { return nil }
            if endedAnswer() { return .bodyEnd }
            phase = .answering
            return .abort
        case .parameters:
            guard isOfRequest(header), isEmptyRecord else { return nil }
            guard phase == .parameters else { throw .order }
            phase = .input
            let variables = try Self.variables(parameters, limits)
            parameters = []
            return .request(variables)
        case .input:
            guard isOfRequest(header), isEmptyRecord else { return nil }
            guard phase == .input else { throw .order }
            if !endedAnswer() { phase = .answering }
            return .bodyEnd
        // Only a filter is sent data, and no request here is one.
        case .data: return nil
        case .getValues where header.id == 0: return .reply(FastCGIRecord.values(asked: content))
        case .end, .output, .errors, .getValuesResult: throw .order
        case .unknown, .getValues, nil: return .reply(FastCGIRecord.unknown(kind: header.kind))
        }
    }

    /// Goes on to the next request if nothing of this one was due but the end of its body.
    private mutating func endedAnswer() -> Bool {
        guard isAnswered else { return false }
        (isAnswered, phase) = (false, .idle)
        return true
    }

    private mutating func begin(_ id: UInt16, _ content: [UInt8]) throws(GatewayError) -> Event? {
        guard content.count == 8, id != 0 else { throw .malformed }
        let role = UInt16(content[0]) << 8 | UInt16(content[1])
        guard phase == .idle else {
            guard id != requestID else { throw .order }
            return .reply(FastCGIRecord.end(id, .cannotMultiplex))
        }
        guard role == 1 else { return .reply(FastCGIRecord.end(id, .unknownRole)) }
        requestID = id
        keepsConnection = content[2] & 1 != 0
        phase = .parameters
        parameters = []
        return nil
    }

    /// The stream of variables: two lengths, each of one byte or of four with the highest bit set, then both texts.
    private static func variables(
        _ stream: [UInt8], _ limits: GatewayVariables.Limits
    ) throws(GatewayError) -> GatewayVariables {
        var variables = GatewayVariables()
        var rest = stream[...]
        while !rest.isEmpty {
            let nameSize = try length(&rest)
            let valueSize = try length(&rest)
            guard nameSize <= rest.count, valueSize <= rest.count - nameSize else { throw .malformed }
            let name = rest.prefix(nameSize)
            let value = rest.dropFirst(nameSize).prefix(valueSize)
            rest = rest.dropFirst(nameSize + valueSize)
            try variables.append(name: name, value: value, limits)
        }
        return variables
    }

    private static func length(_ rest: inout ArraySlice<UInt8>) throws(GatewayError) -> Int {
        guard let first = rest.popFirst() else { throw .malformed }
        guard first & 0x80 != 0 else { return Int(first) }
        guard rest.count >= 3 else { throw .malformed }
        let bytes = rest.prefix(3)
        rest = rest.dropFirst(3)
        return bytes.reduce(Int(first & 0x7f)) { $0 << 8 | Int($1) }
    }
}

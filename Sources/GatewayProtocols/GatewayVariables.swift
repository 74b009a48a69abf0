// The variables of a request that a gateway protocol carries in place of a head (RFC 3875 section 4.1), in the order of
// arrival. Law: names are checked here, once for every protocol. No name stands there twice, but those of fields: a
// server that does not join the lines that a client has sent of one field sends a variable for each.

package struct GatewayVariables: Sendable {
    private(set) var bytes: [UInt8] = []
    private(set) var entries: [(name: Range<Int>, value: Range<Int>)] = []

    /// Bytes of all names and values, and how many variables there may be.
    package struct Limits: Sendable {
        package var bytes: Int
        package var count: Int

        package init(bytes: Int = 65_536, count: Int = 256) {
            self.bytes = bytes
            self.count = count
        }
    }

    package init() {}

    package var count: Int { entries.count }

    /// Adds a variable.
    ///
    /// - Throws: if a limit is passed, or the name or value is not one, or the name stands there already with another
    ///   value, which two programs could read in two ways.
    package mutating func append(
        name: some Collection<UInt8>, value: some Collection<UInt8>, _ limits: Limits
    ) throws(GatewayError) {
        guard entries.count < limits.count, bytes.count + name.count + value.count <= limits.bytes else {
            throw .tooLarge
        }
        guard !name.isEmpty, name.allSatisfy(Self.isNameByte) else { throw .badName }
        guard !value.contains(0) else { throw .badValue }
        let start = bytes.count
        bytes.append(contentsOf: name)
        let middle = bytes.count
        bytes.append(contentsOf: value)
        let entry = (start..<middle, middle..<bytes.count)
        if !Self.isOfField(bytes[entry.0]), let known = find(bytes[entry.0]) {
            // Web servers let the same line stand twice in a configuration, and send it twice.
            guard bytes[known.value].elementsEqual(bytes[entry.1]) else { throw .repeatedName }
            return bytes.removeSubrange(start...)
        }
        entries.append(entry)
    }

    /// Whether a variable is a line of a field that may stand in a head more than once.
    private static func isOfField(_ name: ArraySlice<UInt8>) -> Bool {
        name.starts(with: "HTTP_".utf8) && !single.contains { name.elementsEqual($0) }
    }

    private static let single = ["HTTP_HOST", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE"].map { Array($0.utf8) }

    /// The value of a variable; nil if it is not there.
    package subscript(name: StaticString) -> ArraySlice<UInt8>? {
        let wanted = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        return find(wanted).map { bytes[$0.value] }
    }

    /// What the log shows of a request that is refused; any bytes.
    package var requestLine: [UInt8] {
        let parts = [self["REQUEST_METHOD"], filled("REQUEST_URI") ?? self["PATH_INFO"], self["SERVER_PROTOCOL"]]
        return Array(parts.map { $0 ?? [] }.joined(separator: [UInt8(ascii: " ")]))
    }

    /// The value of a variable; nil if it is not there, or empty.
    package func filled(_ name: StaticString) -> ArraySlice<UInt8>? {
        self[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Calls with each variable whose name begins with `HTTP_`: the rest of its name, which has capitals only, as
    /// servers write it, so that no two names stand for one field; and the value.
    package func forEachField(
        _ body: (ArraySlice<UInt8>, ArraySlice<UInt8>) throws(GatewayError) -> Void
    ) throws(GatewayError) {
        for entry in entries where entry.name.count > 5 && bytes[entry.name].starts(with: "HTTP_".utf8) {
            let name = bytes[entry.name].dropFirst(5)
            guard name.allSatisfy({ $0 != UInt8(ascii: "-") && !(97...122).contains($0) }) else { throw .badName }
            try body(name, bytes[entry.value])
        }
    }

    private func find(_ name: some Collection<UInt8>) -> (name: Range<Int>, value: Range<Int>)? {
        entries.first { $0.name.count == name.count && bytes[$0.name].elementsEqual(name) }
    }

    /// What the names of variables are made of that servers send: letters, digits, and what stands between them.
    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}

/// Why what a gateway protocol brought cannot be served. Final: nothing of the connection is read any more.
package enum GatewayError: Error, Equatable, Sendable {
    case tooLarge
    case badName
    case badValue
    /// With another value.
    case repeatedName
    /// The frame itself: lengths that do not fit, a missing mark.
    case malformed
    /// uwsgi: a modifier other than 0, which stands for another kind of app or for a command.
    case modifier
    /// FastCGI: a version other than 1, or records in an order that no server sends.
    case order
    /// SCGI: CONTENT_LENGTH is not the first variable, or SCGI is not 1.
    case notSCGI
    case badMethod
    case badTarget
    case badField
    case badLength
    /// CONTENT_LENGTH and HTTP_CONTENT_LENGTH, or another such pair, say different things.
    case contradiction
    case badAddress

    package var status: Int { self == .tooLarge ? 431 : 400 }

    package var detail: StaticString {
        switch self {
        case .tooLarge: "too many variables, or too long ones"
        case .badName: "the name of a variable is not valid"
        case .badValue: "the value of a variable has a NUL in it"
        case .repeatedName: "a variable is there twice, with two values"
        case .malformed: "the frame is malformed"
        case .modifier: "only modifier1 0 is served, which is Python's"
        case .order: "records are out of order"
        case .notSCGI: "these are not the variables of SCGI"
        case .badMethod: "REQUEST_METHOD is missing or not valid"
        case .badTarget: "neither REQUEST_URI nor PATH_INFO is a target"
        case .badField: "an HTTP_ variable is not a field"
        case .badLength: "CONTENT_LENGTH is not a length"
        case .contradiction: "two variables contradict each other"
        case .badAddress: "REMOTE_ADDR or SERVER_PORT is not valid"
        }
    }
}

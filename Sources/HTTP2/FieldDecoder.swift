// A received field section: HPACK by nghttp2, then the rules of RFC 9113 section 8. What comes of it is the text of a
// head of HTTP/1.1, which is read by the parser of HTTP/1.1, so that both wires have the same rules. Law: whatever
// could begin a second line, or another part of the request line, is refused here.

internal import CNGHTTP2

/// The head of a request, as text.
package struct RequestSection: Equatable, Sendable {
    /// Request line of HTTP/1.1, fields and the empty line. A CONNECT for a protocol has the method OPTIONS there.
    package var text: [UInt8] = []
    package var priority = Priority()
    /// The protocol that a CONNECT asks for (RFC 8441); empty for an ordinary request.
    package var connectProtocol: [UInt8] = []
    /// There is no body.
    package var endsStream = false
}

final class FieldDecoder {
    enum Outcome {
        case section(RequestSection)
        /// A stream error (section 8.1.1).
        case malformed(StaticString)
        case tooLarge
        /// A connection error: what follows cannot be read.
        case failure(HTTP2Error)
    }

    private let inflater: OpaquePointer?
    private var composer = HeadComposer()
    private let allowsConnect: Bool

    /// - Parameter allowsConnect: a CONNECT may ask for a protocol.
    init(allowsConnect: Bool) {
        self.allowsConnect = allowsConnect
        var made: OpaquePointer?
        inflater = nghttp2_hd_inflate_new(&made) == 0 ? made : nil
    }

    deinit { nghttp2_hd_inflate_del(inflater) }

    /// - Parameters:
    ///   - limit: bytes of the list, as section 6.5.2 counts them.
    ///   - isTrailer: a section behind the body, which is checked and dropped.
    func decode(_ block: UnsafeRawBufferPointer, limit: Int, isTrailer: Bool) -> Outcome {
        guard let inflater else { return .failure(HTTP2Error(.internalError, "out of memory")) }
        composer.begin(isTrailer: isTrailer, allowsConnect: allowsConnect)
        var rest = block
        var size = 0
        while true {
            var field = nghttp2_nv()
            var flags: Int32 = 0
            let used = nghttp2_hd_inflate_hd2(
                inflater, &field, &flags, rest.baseAddress?.assumingMemoryBound(to: UInt8.self), rest.count, 1)
            guard used >= 0, used <= rest.count else {
                return .failure(HTTP2Error(.compressionError, "a field section that cannot be decoded"))
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[used...])
            if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
                size += field.namelen + field.valuelen + 32
                // Nothing is kept of what is too long; it is decoded on, because later sections may refer to it.
                if size <= limit { composer.take(field) }
                guard size / 16 <= limit else {
                    return .failure(HTTP2Error(.enhanceYourCalm, "a field section that grows beyond all measure"))
                }
            }
            if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 { break }
            if used == 0, flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) == 0 { break }
        }
        nghttp2_hd_inflate_end_headers(inflater)
        guard size <= limit else {
            composer = HeadComposer()
            return .tooLarge
        }
        return composer.end()
    }
}

/// Puts the text together, field by field.
private struct HeadComposer {
    private var section = RequestSection()
    private var method: [UInt8] = []
    private var path: [UInt8] = []
    private var authority: [UInt8] = []
    private var cookies: [UInt8] = []
    private var seen: Pseudo = []
    private var problem: StaticString?
    private var isTrailer = false
    private var allowsConnect = false
    private var hasFields = false
    private var hasHost = false

    private struct Pseudo: OptionSet {
        let rawValue: UInt8
        static let method = Pseudo(rawValue: 1)
        static let path = Pseudo(rawValue: 2)
        static let scheme = Pseudo(rawValue: 4)
        static let authority = Pseudo(rawValue: 8)
        static let `protocol` = Pseudo(rawValue: 16)
    }

    mutating func begin(isTrailer: Bool, allowsConnect: Bool) {
        self = HeadComposer()
        self.isTrailer = isTrailer
        self.allowsConnect = allowsConnect
        section.text.reserveCapacity(512)
    }

    mutating func take(_ field: nghttp2_nv) {
        guard problem == nil else { return }
        let name = UnsafeRawBufferPointer(start: field.name, count: field.namelen)
        let value = UnsafeRawBufferPointer(start: field.value, count: field.valuelen)
        if name.first == UInt8(ascii: ":") {
            problem = takePseudo(name, value)
        } else if !evg_hpack_is_name(field.name, field.namelen) {
            problem = "the name of a field is not in lower case, or is not a token"
        } else if !evg_hpack_is_value(field.value, field.valuelen) {
            problem = "a field value has a control byte, or a blank at an end"
        } else {
            problem = takeField(name, value)
        }
    }

    // MARK: pseudo-fields (section 8.3)

    private mutating func takePseudo(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> StaticString? {
        guard !isTrailer else { return "a pseudo-field in a trailer section" }
        guard !hasFields else { return "a pseudo-field behind other fields" }
        let pseudo: Pseudo
        if name.elementsEqual(":method".utf8) {
            pseudo = .method
            method = Array(value)
            guard method.allSatisfy(Self.isVisible), !method.isEmpty else { return "a malformed method" }
        } else if name.elementsEqual(":path".utf8) {
            pseudo = .path
            path = Array(value)
            guard path.first == UInt8(ascii: "/") || path == [UInt8(ascii: "*")], path.allSatisfy(Self.isVisible) else {
                return "a malformed path"
            }
        } else if name.elementsEqual(":scheme".utf8) {
            pseudo = .scheme
            guard value.elementsEqual("http".utf8) || value.elementsEqual("https".utf8) else {
                return "a scheme that is neither http nor https"
            }
        } else if name.elementsEqual(":authority".utf8) {
            pseudo = .authority
            authority = Array(value)
            guard authority.allSatisfy(Self.isVisible) else { return "a malformed authority" }
        } else if name.elementsEqual(":protocol".utf8), allowsConnect {
            pseudo = .protocol
            section.connectProtocol = Array(value)
            guard !value.isEmpty, value.allSatisfy(Self.isVisible) else { return "a malformed protocol" }
        } else {
            return "an unknown pseudo-field"
        }
        return seen.insert(pseudo).inserted ? nil : "a repeated pseudo-field"
    }

    private static func isVisible(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7f }

    // MARK: fields (section 8.2)

    private mutating func takeField(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> StaticString? {
        if !hasFields, !isTrailer { writeRequestLine() }
        hasFields = true
        switch name.count {
        case 2 where name.elementsEqual("te".utf8):
            guard value.elementsEqual("trailers".utf8) else { return "a TE that is not trailers" }
        case 4 where name.elementsEqual("host".utf8):
            return takeHost(value)
        case 6 where name.elementsEqual("cookie".utf8):
            if !cookies.isEmpty { cookies.append(contentsOf: "; ".utf8) }
            cookies.append(contentsOf: value)
            return nil
        case 8 where name.elementsEqual("priority".utf8):
            section.priority = Priority(Array(value))
        case 7 where name.elementsEqual("upgrade".utf8), 10 where name.elementsEqual("connection".utf8),
            10 where name.elementsEqual("keep-alive".utf8), 16 where name.elementsEqual("proxy-connection".utf8),
            17 where name.elementsEqual("transfer-encoding".utf8):
            return "a field of the connection's"
        default:
            break
        }
        if !isTrailer { write(name, value) }
        return nil
    }

    /// Section 8.3.1: it says what the authority says, or nothing.
    private mutating func takeHost(_ value: UnsafeRawBufferPointer) -> StaticString? {
        guard !hasHost else { return "a repeated Host" }
        hasHost = true
        guard seen.contains(.authority) else {
            write(StaticBytes.host, value)
            return nil
        }
        return value.elementsEqual(authority) ? nil : "a Host that is not the authority"
    }

    private mutating func writeRequestLine() {
        // HTTP/1.1 has no CONNECT with a path; whoever reads the text knows what it stands for.
        section.text.append(contentsOf: seen.contains(.protocol) ? Array("OPTIONS".utf8) : method)
        section.text.append(UInt8(ascii: " "))
        // CONNECT has an authority in its place.
        section.text.append(contentsOf: seen.contains(.path) ? path : authority)
        section.text.append(contentsOf: " HTTP/1.1\r\n".utf8)
        guard seen.contains(.authority) else { return }
        authority.withUnsafeBytes { write(StaticBytes.host, $0) }
    }

    private mutating func write(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        section.text.append(contentsOf: name)
        section.text.append(UInt8(ascii: ":"))
        section.text.append(UInt8(ascii: " "))
        section.text.append(contentsOf: value)
        section.text.append(13)
        section.text.append(10)
    }

    mutating func end() -> FieldDecoder.Outcome {
        defer { self = HeadComposer() }
        if let problem { return .malformed(problem) }
        if isTrailer { return .section(section) }
        if let missing = missingPseudo { return .malformed(missing) }
        if !hasFields { writeRequestLine() }
        if !cookies.isEmpty { cookies.withUnsafeBytes { write(StaticBytes.cookie, $0) } }
        section.text.append(contentsOf: "\r\n".utf8)
        return .section(section)
    }

    /// Section 8.3.1, and 8.5 for CONNECT, and RFC 8441 section 4.
    private var missingPseudo: StaticString? {
        guard seen.contains(.method) else { return "no method" }
        let isConnect = method.elementsEqual("CONNECT".utf8)
        if seen.contains(.protocol), !isConnect { return "a protocol of a method that is not CONNECT" }
        if isConnect, !seen.contains(.protocol) {
            return seen.contains(.path) || seen.contains(.scheme) || !seen.contains(.authority)
                ? "a CONNECT with a path, or without an authority" : nil
        }
        if seen.contains(.protocol), path == [UInt8(ascii: "*")] || !seen.contains(.authority) {
            return "a CONNECT for a protocol without a path or an authority"
        }
        return seen.contains(.path) && seen.contains(.scheme) ? nil : "no path or no scheme"
    }
}

private enum StaticBytes {
    static var host: UnsafeRawBufferPointer { bytes("host") }
    static var cookie: UnsafeRawBufferPointer { bytes("cookie") }

    private static func bytes(_ text: StaticString) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }
}

// The records that an app server sends ("FastCGI Specification", version 1.0, section 3).

package enum FastCGIRecord {
    /// How a request has ended, for the web server.
    package enum Status: UInt8 {
        case complete = 0
        case cannotMultiplex = 1
        case overloaded = 2
        case unknownRole = 3
    }

    /// Bytes that one record carries at most, so that its length is a multiple of 8 without padding.
    package static let largestContent = 65_528
    package static let headerSize = FastCGIDecoder.headerSize

    /// The header of a record of the answer (`FCGI_STDOUT`); `count` bytes of it follow.
    package static func output(_ id: UInt16, count: Int) -> [UInt8] {
        header(.output, id, count)
    }

    /// The end of the answer: that of its stream, and `FCGI_END_REQUEST`.
    package static func answerEnd(_ id: UInt16) -> [UInt8] {
        header(.output, id, 0) + end(id, .complete)
    }

    package static func end(_ id: UInt16, _ status: Status) -> [UInt8] {
        header(.end, id, 8) + [0, 0, 0, 0, status.rawValue, 0, 0, 0]
    }

    /// A management record of a kind that is not known.
    static func unknown(kind: UInt8) -> [UInt8] { header(.unknown, 0, 8) + [kind, 0, 0, 0, 0, 0, 0, 0] }

    /// What is told to a server that asks how it may use connections: one request at a time on each.
    static func values(asked: [UInt8]) -> [UInt8] {
        var content: [UInt8] = []
        for (name, value) in [("FCGI_MPXS_CONNS", "0"), ("FCGI_MAX_REQS", "1000"), ("FCGI_MAX_CONNS", "1000")] {
            let isAsked = asked.indices.contains { asked[$0...].starts(with: name.utf8) }
            guard isAsked else { continue }
            content += [UInt8(name.utf8.count), UInt8(value.utf8.count)]
            content += Array(name.utf8) + Array(value.utf8)
        }
        return header(.getValuesResult, 0, content.count) + content
    }

    private static func header(_ kind: FastCGIDecoder.Kind, _ id: UInt16, _ count: Int) -> [UInt8] {
        [
            1, kind.rawValue, UInt8(truncatingIfNeeded: id >> 8), UInt8(truncatingIfNeeded: id),
            UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count), 0, 0,
        ]
    }
}

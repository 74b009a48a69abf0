// Received bytes to a request head, or a refusal that is final: a refused connection's bytes are never read as the next
// request. What a head means for framing and for the host is decided here, after its lines were found well formed.
internal import CHTTP
package import HTTPCore

package struct RequestParser {
    package enum Outcome {
        /// `consumed` counts from the first byte given, leading empty lines included. The next call starts behind it.
        case head(RequestHead, consumed: Int)
        case needMoreData
        case failure(HTTP1Error)
    }

    private let limits: evg_limits
    private var scan = evg_head()
    private var failure: HTTP1Error?
    /// A byte of a request has arrived, leading empty lines apart.
    package private(set) var hasSeenBytes = false

    package init(limits: HTTPLimits) {
        self.limits = limits.scannerLimits
    }

    /// `bytes` is everything received since the last message: on the next call the same bytes and more. Each byte is
    /// looked at once, and those of a head that came in pieces once more when it is complete.
    package mutating func parse(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        if let failure { return .failure(failure) }
        guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return .needMoreData }
        do throws(HTTP1Error) {
            guard let head = try next(base, bytes.count) else {
                hasSeenBytes = bytes.count > Int(scan.start) && !isHalfEmptyLine(bytes)
                return .needMoreData
            }
            let consumed = Int(scan.end)
            scan = evg_head()
            hasSeenBytes = false
            return .head(head, consumed: consumed)
        } catch {
            hasSeenBytes = true
            failure = error
            return .failure(error)
        }
    }

    private func isHalfEmptyLine(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count == Int(scan.start) + 1 && bytes[bytes.count - 1] == UInt8(ascii: "\r")
    }

    private mutating func next(_ base: UnsafePointer<UInt8>, _ count: Int) throws(HTTP1Error) -> RequestHead? {
        // 64 fields of 16 bytes are what a temporary allocation keeps on the stack.
        let capacity = 64
        var limits = limits
        return try withUnsafeTemporaryAllocation(of: evg_field.self, capacity: capacity) {
            recorded throws(HTTP1Error) -> RequestHead? in
            let result = evg_head_scan(&scan, base, count, &limits, recorded.baseAddress, capacity)
            if result == EVG_MORE { return nil }
            guard result == EVG_DONE else { throw HTTP1Error(result) }
            try checkHost(base)
            let framing = try bodyFraming(base)
            try checkExpectation()
            return makeHead(base, count, recorded.baseAddress, framing)
        }
    }

    private mutating func makeHead(
        _ base: UnsafePointer<UInt8>, _ count: Int, _ recorded: UnsafePointer<evg_field>?, _ framing: BodyFraming
    ) -> RequestHead? {
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: evg_request_head_size(&scan), alignment: MemoryLayout<evg_request_head>.alignment)
        guard let record = evg_request_head_make(memory, &scan, base, count, recorded) else { return nil }
        switch framing {
        case .none:
            record.pointee.framing = UInt8(EVG_BODY_NONE.rawValue)
        case .length(let length):
            record.pointee.framing = UInt8(EVG_BODY_LENGTH.rawValue)
            record.pointee.content_length = length
        case .chunked:
            record.pointee.framing = UInt8(EVG_BODY_CHUNKED.rawValue)
        }
        record.pointee.expects_continue =
            scan.minor_version > 0 && scan.expects_continue != 0 && framing != .none && framing != .length(0)
        return RequestHead(owning: record)
    }
}

// MARK: - What the fields mean

extension RequestParser {
    private func pointer(_ slice: evg_slice, _ base: UnsafePointer<UInt8>) -> UnsafePointer<UInt8> {
        base + Int(scan.start) + Int(slice.start)
    }

    /// RFC 9112 3.2: exactly one valid Host in 1.1, at most one in 1.0. An empty value is within the grammar and means
    /// a target without authority; an http target has one (RFC 9110 4.2.1), so only an absolute form, whose authority
    /// replaces Host, can do with it.
    private func checkHost(_ base: UnsafePointer<UInt8>) throws(HTTP1Error) {
        guard scan.hosts > 0 else {
            if scan.minor_version > 0 { throw HTTP1Error(.missingHost) }
            return
        }
        guard scan.hosts == 1 else { throw HTTP1Error(.repeatedHost) }
        if scan.host.count == 0 && scan.has_scheme != 0 { return }
        guard evg_is_authority(pointer(scan.host, base), Int(scan.host.count), false) else {
            throw HTTP1Error(.badHost)
        }
    }

    /// RFC 9112 6.3, for requests, with every MAY that leaves room for two readings taken as a refusal.
    private func bodyFraming(_ base: UnsafePointer<UInt8>) throws(HTTP1Error) -> BodyFraming {
        if scan.transfer_encodings > 0 {
            guard scan.content_lengths == 0 else { throw HTTP1Error(.transferEncodingAndContentLength) }
            guard scan.minor_version > 0 else { throw HTTP1Error(.transferEncodingInHTTP10) }
            guard scan.coding_malformed == 0 else { throw HTTP1Error(.badTransferEncoding) }
            guard scan.coding_chunked_twice == 0 else { throw HTTP1Error(.repeatedChunked) }
            // "gzip, chunked" is well framed, but what it frames is not understood: 501 like a coding alone (6.1).
            guard scan.coding_unknown == 0 else { throw HTTP1Error(.unknownTransferCoding) }
            return .chunked
        }
        guard scan.content_lengths > 0 else { return .none }
        // Equal values may be read as one (RFC 9110 8.6). Nothing honest repeats them.
        guard scan.content_lengths == 1 else { throw HTTP1Error(.repeatedContentLength) }
        var length: UInt64 = 0
        let value = scan.content_length
        guard evg_parse_length(pointer(value, base), Int(value.count), &length) else {
            throw HTTP1Error(.badContentLength)
        }
        return .length(length)
    }

    /// RFC 9110 10.1.1: 1.0 cannot expect anything, and 1.1 nothing but 100-continue.
    private func checkExpectation() throws(HTTP1Error) {
        guard scan.expects > 0, scan.minor_version > 0 else { return }
        guard scan.expects == 1, scan.expects_continue != 0 else { throw HTTP1Error(.unknownExpectation) }
    }
}

// Why a request is refused. `statusHint` is the status to answer it with; the server maps nothing else.
internal import CHTTP

package struct HTTP1Error: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Code: UInt8, Sendable, CaseIterable {
        case badMethod, badTarget, badTargetForm, badAuthority, badVersion, unsupportedVersion, connectUnsupported
        case badLineEnd, badControlByte, tooManyEmptyLines, badFieldName, obsoleteFold
        case requestLineTooLong, fieldTooLong, tooManyFields, headTooLarge
        case missingHost, repeatedHost, badHost
        case badContentLength, repeatedContentLength, transferEncodingAndContentLength
        case transferEncodingInHTTP10, badTransferEncoding, repeatedChunked, unknownTransferCoding
        case unknownExpectation
        case badChunkSize, chunkSizeOverflow, badChunkExtension, chunkLineTooLong, tooManyExtensions, badChunkEnd
    }

    package let code: Code

    package init(_ code: Code) {
        self.code = code
    }

    /// The status that tells the client (RFC 9110 15.5, 15.6).
    package var statusHint: UInt16 {
        switch code {
        case .unsupportedVersion: 505
        case .connectUnsupported, .unknownTransferCoding: 501
        case .requestLineTooLong: 414
        case .fieldTooLong, .tooManyFields, .headTooLarge: 431
        case .unknownExpectation: 417
        default: 400
        }
    }

    /// A reason for the log; printable ASCII, never bytes of the message.
    package var detail: StaticString {
        switch code {
        case .badMethod: "malformed method"
        case .badTarget: "malformed request target"
        case .badTargetForm: "request target of a form the method does not take"
        case .badAuthority: "invalid authority in the request target"
        case .badVersion: "malformed HTTP version"
        case .unsupportedVersion: "unsupported HTTP major version"
        case .connectUnsupported: "CONNECT is not supported"
        case .badLineEnd: "CR or LF outside CRLF"
        case .badControlByte: "illegal byte in the head"
        case .tooManyEmptyLines: "more than two empty lines before the request"
        case .badFieldName: "malformed field name"
        case .obsoleteFold: "field line starts with whitespace"
        case .requestLineTooLong: "request line too long"
        case .fieldTooLong: "field line too long"
        case .tooManyFields: "too many field lines"
        case .headTooLarge: "head too large"
        case .missingHost: "missing Host"
        case .repeatedHost: "repeated Host"
        case .badHost: "invalid Host"
        case .badContentLength: "invalid Content-Length"
        case .repeatedContentLength: "repeated Content-Length"
        case .transferEncodingAndContentLength: "both Transfer-Encoding and Content-Length"
        case .transferEncodingInHTTP10: "Transfer-Encoding in HTTP/1.0"
        case .badTransferEncoding: "malformed Transfer-Encoding"
        case .repeatedChunked: "chunked applied twice"
        case .unknownTransferCoding: "unknown transfer coding"
        case .unknownExpectation: "unknown expectation"
        case .badChunkSize: "malformed chunk size"
        case .chunkSizeOverflow: "chunk size overflow"
        case .badChunkExtension: "malformed chunk extension"
        case .chunkLineTooLong: "chunk line too long"
        case .tooManyExtensions: "too many chunk extensions"
        case .badChunkEnd: "chunk data does not end in CRLF"
        }
    }

    package var description: String { "\(detail)" }

    /// Of a scan that came to a refusal.
    init(_ result: evg_result) {
        switch result {
        case EVG_BAD_METHOD: self.init(.badMethod)
        case EVG_BAD_TARGET: self.init(.badTarget)
        case EVG_BAD_TARGET_FORM: self.init(.badTargetForm)
        case EVG_BAD_AUTHORITY: self.init(.badAuthority)
        case EVG_BAD_VERSION: self.init(.badVersion)
        case EVG_UNSUPPORTED_VERSION: self.init(.unsupportedVersion)
        case EVG_CONNECT: self.init(.connectUnsupported)
        case EVG_BAD_LINE_END: self.init(.badLineEnd)
        case EVG_TOO_MANY_EMPTY_LINES: self.init(.tooManyEmptyLines)
        case EVG_BAD_FIELD_NAME: self.init(.badFieldName)
        case EVG_OBS_FOLD: self.init(.obsoleteFold)
        case EVG_REQUEST_LINE_TOO_LONG: self.init(.requestLineTooLong)
        case EVG_FIELD_TOO_LONG: self.init(.fieldTooLong)
        case EVG_TOO_MANY_FIELDS: self.init(.tooManyFields)
        case EVG_HEAD_TOO_LARGE: self.init(.headTooLarge)
        case EVG_BAD_CHUNK_SIZE: self.init(.badChunkSize)
        case EVG_CHUNK_SIZE_OVERFLOW: self.init(.chunkSizeOverflow)
        case EVG_BAD_CHUNK_EXTENSION: self.init(.badChunkExtension)
        case EVG_CHUNK_LINE_TOO_LONG: self.init(.chunkLineTooLong)
        case EVG_TOO_MANY_EXTENSIONS: self.init(.tooManyExtensions)
        case EVG_BAD_CHUNK_END: self.init(.badChunkEnd)
        default: self.init(.badControlByte)
        }
    }
}

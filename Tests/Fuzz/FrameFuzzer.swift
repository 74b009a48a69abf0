// MessageDecoder: what a client sends after the opening of a WebSocket.

import WebSocketCodec

private enum Said: Equatable {
    case message(isText: Bool, [UInt8])
    case ping([UInt8])
    case pong
    case close(CloseCode, String)
    case violation(CloseCode)
}

private let limit = 200
nonisolated(unsafe) private let inflaters = Inflaters()

/// What the pieces say, each in a block of exactly its size.
private func decode(_ pieces: [UnsafeBufferPointer<UInt8>], _ deflate: DeflateAgreement?) -> [Said] {
    var decoder = MessageDecoder(limit: limit, inflation: deflate.map { MessageInflation($0, inflaters) })
    var said: [Said] = []
    for piece in pieces {
        let goesOn = exactly(piece) { bytes in
            read(&decoder, UnsafeMutableRawBufferPointer(mutating: bytes), &said)
        }
        if !goesOn { break }
    }
    return said
}

/// Returns false behind the end of the WebSocket.
private func read(
    _ decoder: inout MessageDecoder, _ bytes: UnsafeMutableRawBufferPointer, _ said: inout [Said]
) -> Bool {
    var offset = 0
    func content(_ content: MessageDecoder.Content) -> [UInt8] {
        switch content {
        case .lent(let range): Array(bytes[range])
        case .kept(let kept): kept
        }
    }
    do throws(Violation) {
        while true {
            switch try decoder.next(bytes, from: &offset) {
            case .needMoreData:
                check(offset == bytes.count, "bytes are left")
                return true
            case .message(let isText, let lent):
                let message = content(lent)
                check(message.count <= limit, "a message above the limit")
                check(!isText || String(validating: message, as: UTF8.self) != nil, "no UTF-8")
                said.append(.message(isText: isText, message))
            case .ping(let lent):
                let payload = content(lent)
                check(payload.count <= FrameHeader.controlLimit, "a long ping")
                said.append(.ping(payload))
            case .pong: said.append(.pong)
            case .close(let code, let reason):
                check(code == .noStatus || code.isSendable, "a code that may not be sent")
                said.append(.close(code, reason))
                return false
            }
        }
    } catch {
        check(error.code.isSendable, "a violation with a code that may not be sent")
        said.append(.violation(error.code))
        return false
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzFrames(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard let input = Input(UnsafeBufferPointer(start: data, count: size)) else { return 0 }
    for deflate in [nil, DeflateAgreement()] {
        let whole = decode([input.received], deflate)
        var (start, pieces): (Int, [UnsafeBufferPointer<UInt8>]) = (0, [])
        for end in input.cuts {
            pieces.append(UnsafeBufferPointer(rebasing: input.received[start..<end]))
            start = end
        }
        let parts = decode(pieces, deflate)
        check(parts == whole, "whole: \(whole); in pieces: \(parts)")
    }
    return 0
}

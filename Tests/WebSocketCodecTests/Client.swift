// Frames as a client makes them, one byte at a time and without tricks.
import WebSocketCodec

enum Client {
    /// - Parameters:
    ///   - announcing: the length that its head says, where it is not that of the payload.
    ///   - lengthBytes: in which the length is said, where they are not the fewest.
    static func frame(
        _ opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true, reserved: UInt8 = 0,
        key: [UInt8] = [0x37, 0xfa, 0x21, 0x3d], isMasked: Bool = true, announcing: UInt64? = nil,
        lengthBytes: Int? = nil
    ) -> [UInt8] {
        let count = announcing ?? UInt64(payload.count)
        let extended = lengthBytes ?? (count <= 125 ? 0 : count <= 0xffff ? 2 : 8)
        var bytes = [(isFinal ? 0x80 : 0) | reserved << 4 | opcode]
        bytes.append((isMasked ? 0x80 : 0) | (extended == 0 ? UInt8(count) : extended == 2 ? 126 : 127))
        for index in 0..<extended {
            bytes.append(UInt8(truncatingIfNeeded: count >> UInt64(8 * (extended - 1 - index))))
        }
        return bytes + (isMasked ? key + payload.enumerated().map { $1 ^ key[$0 % 4] } : payload)
    }

    static func text(_ text: String, isFinal: Bool = true) -> [UInt8] { frame(1, Array(text.utf8), isFinal: isFinal) }
}

/// What a decoder has said, with the bytes in place of where they are.
enum Said: Equatable {
    case text([UInt8])
    case binary([UInt8])
    case ping([UInt8])
    case pong
    case close(UInt16, String)
    case violation(UInt16)
}

/// Feeds the bytes in the given pieces. Without an agreement, nothing may be compressed.
func decode(_ pieces: [[UInt8]], limit: Int = 1 << 20, deflate: DeflateAgreement? = nil) -> [Said] {
    var decoder = MessageDecoder(
        limit: limit, inflation: deflate.map { MessageInflation($0, Inflaters()) })
    var said: [Said] = []
    for piece in pieces {
        var buffer = piece
        let ended = buffer.withUnsafeMutableBytes { bytes in
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
                        return offset != bytes.count
                    case .message(let isText, let bytes):
                        said.append(isText ? .text(content(bytes)) : .binary(content(bytes)))
                    case .ping(let bytes): said.append(.ping(content(bytes)))
                    case .pong: said.append(.pong)
                    case .close(let code, let reason):
                        said.append(.close(code.rawValue, reason))
                        return true
                    }
                }
            } catch {
                said.append(.violation(error.code.rawValue))
                return true
            }
        }
        if ended { break }
    }
    return said
}

func decode(_ bytes: [UInt8], limit: Int = 1 << 20) -> [Said] { decode([bytes], limit: limit) }

import EvLoop
import WebSocketCodec

/// A message as the frame that is sent, made once for any number of sockets.
package final class EncodedMessage: Sendable {
    let isText: Bool
    /// Head and payload, not compressed: every client takes it.
    let frame: [UInt8]
    private let headCount: Int
    /// Frames for clients that inflate, by the bits of their windows, made when first used.
    @LoopActor private var compressed: [(bits: Int, frame: [UInt8])] = []

    package init(isText: Bool, _ payload: UnsafeRawBufferPointer) {
        self.isText = isText
        let opcode = isText ? Opcode.text : .binary
        headCount = OwnFrameHead(opcode, count: payload.count).count
        frame = Self.frame(OwnFrameHead(opcode, count: payload.count), payload)
    }

    /// Calls with the payload as it is.
    func withPayload<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        frame.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[headCount...])) }
    }

    var payloadCount: Int { frame.count - headCount }

    /// The frame for a client that inflates each message for itself.
    @LoopActor func frame(windowBits bits: Int, _ compressors: Compressors) -> [UInt8] {
        if let made = compressed.first(where: { $0.bits == bits }) { return made.frame }
        let made = withPayload { payload in
            compressors.withCompressed(payload, windowBits: bits) { small in
                small.map {
                    Self.frame(OwnFrameHead(isText ? .text : .binary, count: $0.count, isCompressed: true), $0)
                } ?? frame
            }
        }
        compressed.append((bits, made))
        return made
    }

    private static func frame(_ head: OwnFrameHead, _ payload: UnsafeRawBufferPointer) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: head.count + payload.count) { room, count in
            let place = UnsafeMutableRawBufferPointer(room)
            head.withUnsafeBytes { place.copyMemory(from: $0) }
            UnsafeMutableRawBufferPointer(rebasing: place[head.count...]).copyMemory(from: payload)
            count = head.count + payload.count
        }
    }
}

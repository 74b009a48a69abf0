import EvLoop
import WebSocketCodec

/// How the messages to one client are compressed, where permessage-deflate was agreed upon (RFC 7692).
@LoopActor
final class OutgoingCompression {
    private let agreement: DeflateAgreement
    private let shared: Compressors
    /// Of a context that is kept. The client's fits to a new one at any time.
    private var compressor: Compressor?
    private var hasCompressed = false

    init(_ agreement: DeflateAgreement, _ shared: Compressors) {
        self.agreement = agreement
        self.shared = shared
    }

    /// A message refers to earlier ones, and so fits to this client alone.
    var keepsContext: Bool { agreement.serverKeepsContext }

    /// Calls with the payload of a compressed frame, or with nil where the message is sent as it is.
    func withCompressed(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer?) -> Void) {
        guard keepsContext else {
            return shared.withCompressed(bytes, windowBits: agreement.serverWindowBits, body)
        }
        guard bytes.count >= Compressor.thresholdInContext,
            let compressor = compressor ?? Compressor(windowBits: agreement.serverWindowBits, keepsContext: true)
        else { return body(nil) }
        self.compressor = compressor
        hasCompressed = true
        compressor.withCompressed(bytes, body)
    }

    /// The frame of a message that goes to many.
    func frame(of message: EncodedMessage) -> [UInt8] {
        message.frame(windowBits: agreement.serverWindowBits, shared)
    }

    /// 38 KB are not for a socket that was sent nothing since the last call.
    func rest() {
        if !hasCompressed { compressor = nil }
        hasCompressed = false
    }
}

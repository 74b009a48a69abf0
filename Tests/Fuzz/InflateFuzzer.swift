// Payloads of compressed messages: inflated whole and in fragments, with a context that is kept and without; and that
// what is compressed here comes back as it was.

import WebSocketCodec

private enum Said: Equatable {
    case message([UInt8])
    case violation(CloseCode)
}

private let limit = 50_000
nonisolated(unsafe) private let inflaters = Inflaters()
nonisolated(unsafe) private let compressors = Compressors()

private let keeping: DeflateAgreement = {
    var agreement = DeflateAgreement()
    agreement.clientKeepsContext = true
    agreement.clientWindowBits = 9
    return agreement
}()

/// The frames of a message, masked with zeros.
private func frames(_ fragments: [some Collection<UInt8>]) -> [UInt8] {
    var bytes: [UInt8] = []
    for (index, fragment) in fragments.enumerated() {
        bytes.append((index == 0 ? 0x42 : 0) | (index == fragments.count - 1 ? 0x80 : 0))
        switch fragment.count {
        case ..<126: bytes.append(0x80 | UInt8(fragment.count))
        case ..<65_536: bytes += [0xfe, UInt8(fragment.count >> 8), UInt8(fragment.count & 0xff)]
        default: bytes += [0xff] + (0..<8).map { UInt8(truncatingIfNeeded: fragment.count >> (56 - $0 * 8)) }
        }
        bytes += [0, 0, 0, 0] + fragment
    }
    return bytes
}

private func decode(_ bytes: [UInt8], _ agreement: DeflateAgreement) -> [Said] {
    var decoder = MessageDecoder(limit: limit, inflation: MessageInflation(agreement, inflaters))
    var said: [Said] = []
    exactly(bytes) { bytes in
        let bytes = UnsafeMutableRawBufferPointer(mutating: bytes)
        var offset = 0
        do throws(Violation) {
            while case .message(_, .kept(let message)) = try decoder.next(bytes, from: &offset) {
                check(message.count <= limit, "a message above the limit")
                said.append(.message(message))
            }
            check(offset == bytes.count, "bytes are left")
        } catch {
            said.append(.violation(error.code))
        }
    }
    return said
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzInflate(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard let input = Input(UnsafeBufferPointer(start: data, count: size)) else { return 0 }
    let (first, second) = (input.cuts[0], input.cuts[1])
    let fragments = [input.received[..<first], input.received[first..<second], input.received[second...]]
    for agreement in [DeflateAgreement(), keeping] {
        let whole = decode(frames([input.received]) + frames([input.received]), agreement)
        let parts = decode(frames(fragments) + frames(fragments), agreement)
        check(parts == whole, "whole: \(whole); in fragments: \(parts)")
    }
    if let payload = compressors.compress(UnsafeRawBufferPointer(input.received), windowBits: 9) {
        check(payload.count < input.received.count, "it has grown")
        let back = decode(frames([payload]), DeflateAgreement())
        check(back == [.message(Array(input.received))], "it does not come back")
    }
    return 0
}

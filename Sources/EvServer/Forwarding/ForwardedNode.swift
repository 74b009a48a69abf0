// One end of a hop, as proxies write it: RFC 7239 section 6, and the looser forms of X-Forwarded-For. Law: what is no
// address is never shown to an app as one.

import EvLoop

/// Who has spoken to a proxy.
enum ForwardedNode: Equatable {
    /// An address, with port 0 where none is told.
    case address(PeerAddress)
    /// The proxy does not know, or does not tell: `unknown`, `_name`.
    case hidden

    /// Of X-Forwarded-For: an address, an IPv6 address in brackets, each with or without a port. Anything else hides
    /// who it was.
    init(loosely text: UnsafeRawBufferPointer) {
        self = PeerAddress(parsing: text).map { .address($0) } ?? ForwardedNode(text) ?? .hidden
    }

    /// nodename [":" node-port]. Nil for what is none.
    init?(_ text: UnsafeRawBufferPointer) {
        let (name, port) = Self.split(text)
        if let port, !Self.isPort(port) { return nil }
        let number = port.flatMap { UInt16(decimal: $0) } ?? 0
        if name.first == UInt8(ascii: "["), name.last == UInt8(ascii: "]"), name.count > 2 {
            let inner = UnsafeRawBufferPointer(rebasing: name[1..<name.count - 1])
            guard inner.contains(UInt8(ascii: ":")), let address = PeerAddress(parsing: inner, port: number) else {
                return nil
            }
            self = .address(address)
        } else if name.equalsIgnoringCase("unknown".utf8) || Self.isObfuscated(name) {
            self = .hidden
        } else {
            // An IPv6 address has brackets.
            guard !name.contains(UInt8(ascii: ":")), let address = PeerAddress(parsing: name, port: number) else {
                return nil
            }
            self = .address(address)
        }
    }

    /// At the last colon behind the bracket, if there is one.
    private static func split(
        _ text: UnsafeRawBufferPointer
    ) -> (name: UnsafeRawBufferPointer, port: UnsafeRawBufferPointer?) {
        guard let colon = text.lastIndex(of: UInt8(ascii: ":")), text.last != UInt8(ascii: "]") else {
            return (text, nil)
        }
        return (
            UnsafeRawBufferPointer(rebasing: text[..<colon]), UnsafeRawBufferPointer(rebasing: text[(colon + 1)...])
        )
    }

    private static func isPort(_ text: UnsafeRawBufferPointer) -> Bool {
        isObfuscated(text) || UInt16(decimal: text) != nil
    }

    /// "_" 1*( ALPHA / DIGIT / "." / "_" / "-")
    private static func isObfuscated(_ text: UnsafeRawBufferPointer) -> Bool {
        text.count > 1 && text[0] == UInt8(ascii: "_")
            && text.allSatisfy { byte in
                byte.isDigit || (65...90).contains(byte & 0xdf) || byte == UInt8(ascii: ".")
                    || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
            }
    }

    static func == (one: ForwardedNode, other: ForwardedNode) -> Bool {
        switch (one, other) {
        case (.hidden, .hidden): true
        case (.address(let one), .address(let other)): one.hasHost(of: other) && one.port == other.port
        default: false
        }
    }
}

extension UInt16 {
    /// 1*5DIGIT up to 65535.
    init?(decimal text: UnsafeRawBufferPointer) {
        guard (1...5).contains(text.count) else { return nil }
        var number: UInt32 = 0
        for byte in text {
            guard byte.isDigit else { return nil }
            number = number * 10 + UInt32(byte - 48)
        }
        guard number <= 65_535 else { return nil }
        self = UInt16(number)
    }
}

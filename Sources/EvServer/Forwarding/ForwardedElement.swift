// One element of Forwarded (RFC 7239 section 4): what one proxy has said of one hop. Law: what the grammar does not
// have is malformed, except for blanks around the semicolons, which many proxies write.

import HTTPCore

struct ForwardedElement {
    private(set) var node: ForwardedNode?
    private(set) var isSecure: Bool?
    /// Within the bytes that were read.
    private(set) var host: UnsafeRawBufferPointer?

    /// Nil for a malformed element.
    init?(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        var seen: UInt8 = 0
        while !rest.isEmpty {
            switch Self.pair(&rest) {
            case .pair(let name, let value):
                let parameter = Self.parameter(name)
                // A parameter must not occur twice (section 4).
                guard seen & parameter == 0, take(parameter, value) else { return nil }
                seen |= parameter
            case .nothing: continue
            case .malformed: return nil
            }
        }
    }

    private static func parameter(_ name: UnsafeRawBufferPointer) -> UInt8 {
        if name.equalsIgnoringCase("for".utf8) { return 1 }
        if name.equalsIgnoringCase("proto".utf8) { return 2 }
        if name.equalsIgnoringCase("host".utf8) { return 4 }
        return name.equalsIgnoringCase("by".utf8) ? 8 : 0
    }

    private mutating func take(_ parameter: UInt8, _ value: UnsafeRawBufferPointer) -> Bool {
        switch parameter {
        case 1:
            node = ForwardedNode(value)
            return node != nil
        case 2:
            isSecure = Self.isSecure(value)
            return isSecure != nil
        case 4:
            host = value
            return FieldSyntax.isAuthority(value)
        default:
            return true
        }
    }

    /// Nil for another scheme.
    private static func isSecure(_ scheme: UnsafeRawBufferPointer) -> Bool? {
        if scheme.equalsIgnoringCase("https".utf8) || scheme.equalsIgnoringCase("wss".utf8) { return true }
        return scheme.equalsIgnoringCase("http".utf8) || scheme.equalsIgnoringCase("ws".utf8) ? false : nil
    }

    private enum Pair {
        case pair(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)
        case nothing, malformed
    }

    /// Takes `[ token "=" value ]` and the semicolon behind it. Of a quoted value what stands between the quotes: one
    /// with an escape is then none of the values that matter.
    private static func pair(_ rest: inout UnsafeRawBufferPointer) -> Pair {
        var at = rest.skipBlanks(from: 0)
        let start = at
        while at < rest.count, rest[at] != UInt8(ascii: "="), rest[at] != UInt8(ascii: ";") { at += 1 }
        let name = UnsafeRawBufferPointer(rebasing: rest[start..<at])
        var pair = Pair.nothing
        if at < rest.count, rest[at] == UInt8(ascii: "=") {
            guard FieldSyntax.isToken(name), let value = value(rest, &at) else { return .malformed }
            pair = .pair(name: name, value: value)
        } else if !name.isEmpty {
            return .malformed
        }
        at = rest.skipBlanks(from: at)
        guard at == rest.count || rest[at] == UInt8(ascii: ";") else { return .malformed }
        rest = UnsafeRawBufferPointer(rebasing: rest[min(at + 1, rest.count)...])
        return pair
    }

    /// - Parameter at: the equals sign; then behind the value.
    private static func value(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> UnsafeRawBufferPointer? {
        at += 1
        let start = at
        guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else {
            while at < bytes.count, bytes[at] != UInt8(ascii: ";"), !bytes[at].isBlank { at += 1 }
            let token = UnsafeRawBufferPointer(rebasing: bytes[start..<at])
            return FieldSyntax.isToken(token) ? token : nil
        }
        at += 1
        while at < bytes.count, bytes[at] != UInt8(ascii: "\"") {
            at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard at < bytes.count else { return nil }
        at += 1
        return UnsafeRawBufferPointer(rebasing: bytes[(start + 1)..<(at - 1)])
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func skipBlanks(from place: Int) -> Int {
        var at = place
        while at < count, self[at].isBlank { at += 1 }
        return at
    }
}

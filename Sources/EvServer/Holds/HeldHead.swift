// The head of a request that is held, as the fewest bytes from which it can be read again.

import GRIP
import HTTP1
import HTTPCore

struct HeldHead {
    private(set) var bytes: [UInt8] = []
    /// Of a request by HTTP/1.1, other than HEAD, whose client goes on with others.
    private(set) var isPlain = false
    private(set) var isHTTP11 = false

    init() {}
    init(bytes: [UInt8]) { self.bytes = bytes }

    /// Without GRIP's fields, which are written anew when the app is called again.
    init(_ head: RequestHead) {
        isHTTP11 = head.version == .http11
        isPlain = isHTTP11 && head.keepAlive && !head.isHead
        let line = head.requestLine
        var count = line.count + 4
        for field in head.fields where !Self.isOwn(field, of: head) {
            count += Int(field.name.count) + Int(field.value.count) + 4
        }
        bytes.reserveCapacity(count)
        bytes.append(contentsOf: line)
        bytes += Self.lineEnd
        for field in head.fields where !Self.isOwn(field, of: head) {
            bytes.append(contentsOf: head.bytes(of: field.name))
            bytes += Self.separator
            bytes.append(contentsOf: head.bytes(of: field.value))
            bytes += Self.lineEnd
        }
        bytes += Self.lineEnd
    }

    private static let lineEnd: [UInt8] = [13, 10]
    private static let separator: [UInt8] = [58, 32]
    /// What was served once is served again.
    private static let parser = RequestParser(
        limits: HTTPLimits(requestLine: 0, fieldCount: 4096, fieldSize: 0, headSize: 1 << 20))

    private static func isOwn(_ field: FieldSlice, of head: RequestHead) -> Bool {
        GripFields.isOne(head.bytes(of: field.name))
    }

    func parsed() -> RequestHead? {
        var parser = Self.parser
        return bytes.withUnsafeBytes { bytes in
            guard case .head(let head, consumed: bytes.count) = parser.parse(bytes) else { return nil }
            return head
        }
    }
}

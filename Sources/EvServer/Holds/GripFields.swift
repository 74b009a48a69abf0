// What an app is told by fields: that it may answer with instructions (`Grip-Sig`, `Grip-Feature`), and what its last
// answer knew of (`Grip-Last`). Law: no field of these names that a client has sent gets to an app.

internal import CTLS
import EvLoop
import GRIP
import HTTPCore
import JSONText

/// How apps have their requests held.
package struct GripConfiguration: Sendable {
    let issuer: String
    let key: TokenKey?

    /// - Parameter key: text, or `base64:` and text; nil where nothing is signed.
    package init(issuer: String = "evgateway", key: String? = nil) {
        self.issuer = issuer
        self.key = key.flatMap { key in
            TokenKey(key) { key, message in
                var code = [UInt8](repeating: 0, count: 32)
                return evg_tls_hmac_sha256(key, key.count, message, message.count, &code) ? code : []
            }
        }
    }
}

/// The last message of a channel that an answer knew of.
struct LastID: Sendable {
    let channel: [UInt8]
    let id: [UInt8]
}

@LoopActor
final class GripFields {
    private var token: RenewedToken?
    private let issuer: String
    private var lines = AddedLines()
    /// Wall-clock minute for which the lines were made.
    private var minute = -1

    /// What instructions this server follows, in Pushpin's words.
    private static let features =
        "status, link:next, link:gone, filter:skip-self, filter:skip-users, filter:require-sub, filter:build-id, "
        + "filter:var-subst"

    init(_ configuration: GripConfiguration) {
        issuer = configuration.issuer
        token = configuration.key.map { RenewedToken(issuer: configuration.issuer, key: $0) }
    }

    /// The head as the app is to see it.
    func amended(_ head: RequestHead) -> RequestHead {
        head.copy(keeping: kept(of: head), adding: added())
    }

    /// The same for a request that the server makes, or makes again.
    func told(_ head: RequestHead, _ last: [LastID]) -> RequestHead {
        var lines = added()
        for entry in last {
            lines.append(name: Array("Grip-Last".utf8), value: entry.channel + Array("; last-id=".utf8) + entry.id)
        }
        return head.copy(keeping: kept(of: head), adding: lines)
    }

    private func added() -> AddedLines {
        let now = EventLoop.wallNow()
        let minute = Int(now / 60)
        guard minute != self.minute else { return lines }
        self.minute = minute
        lines = AddedLines()
        lines.append(name: Array("Grip-Sig".utf8), value: token?.token(now: Int(now)) ?? unsigned(Int(now)))
        lines.append(name: Array("Grip-Feature".utf8), value: Array(Self.features.utf8))
        return lines
    }

    /// Says the same without a proof (RFC 7519 6).
    private func unsigned(_ now: Int) -> [UInt8] {
        let header = Array("{\"alg\":\"none\",\"typ\":\"JWT\"}".utf8)
        var claims = Array("{\"exp\":\(now + 3600),\"iss\":".utf8)
        JSONValue.quote(Array(issuer.utf8), into: &claims)
        claims.append(UInt8(ascii: "}"))
        return Base64.urlEncoded(header) + [UInt8(ascii: ".")] + Base64.urlEncoded(claims) + [UInt8(ascii: ".")]
    }

    /// For each field whether the app sees it; empty for all.
    private func kept(of head: RequestHead) -> [Bool] {
        let fields = head.fields
        guard fields.contains(where: { Self.isOne(head.bytes(of: $0.name)) }) else { return [] }
        return fields.map { !Self.isOne(head.bytes(of: $0.name)) }
    }

    /// `Grip-...`, and what a WSGI app could not tell from that.
    nonisolated static func isOne(_ name: UnsafeRawBufferPointer) -> Bool {
        guard name.count > 4, name[0] | 0x20 == UInt8(ascii: "g") else { return false }
        return name[1] | 0x20 == UInt8(ascii: "r") && name[2] | 0x20 == UInt8(ascii: "i")
            && name[3] | 0x20 == UInt8(ascii: "p") && (name[4] == UInt8(ascii: "-") || name[4] == UInt8(ascii: "_"))
    }
}

extension Exchange {
    /// The head as the app is to see it: with ids that can be believed, and with GRIP's fields.
    var amended: RequestHead {
        let head = stamped
        return worker.gripFields?.amended(head) ?? head
    }
}

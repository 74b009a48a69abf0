// The rows about publishing over HTTP, and what they must not be together.

import EvBus
package import EvLoop

extension Setting {
    static let publishRows = [
        Setting(
            "publish_bind", "--publish-bind", .publishing, .addresses(\.publishBinds), value: "address",
            "Where messages for held requests are published over HTTP: HOST:PORT or unix:PATH; repeatable.",
            details: "POST /publish/ with items in JSON, as for Pushpin, whose port is 5561: with --publish-bind "
                + "127.0.0.1:5561 its libraries need no other setting. The admin process answers, so that an app may "
                + "publish from inside a request. A socket file is for its owner alone, which is that of "
                + "--socket-owner, else --user; an address of more than this machine needs --publish-key or "
                + "--publish-token. Takes effect at the next start."),
        Setting(
            "publish_key", "--publish-key", .publishing, .text(\.publishKey, check: isKey), value: "text",
            secret: true,
            "The key of the tokens that whoever publishes over TCP must show: text, or base64:TEXT.",
            details: "JSON Web Tokens with HS256 and a time of expiry, as Authorization: Bearer TOKEN, which Pushpin's "
                + "libraries make of the key in GRIP_URL. Better in the environment, as EVGATEWAY_PUBLISH_KEY. Takes "
                + "effect at the next start."),
        Setting(
            "publish_token", "--publish-token", .publishing, .text(\.publishToken, check: isToken), value: "text",
            secret: true, "What whoever publishes over TCP must show: Authorization: Bearer TEXT.",
            details: "For publishers that sign nothing. With --publish-key, one of both is enough. Takes effect at the "
                + "next start."),
        Setting(
            "publish_limit", "--publish-limit", .publishing, .bytes(\.publishLimit), value: "bytes",
            "The largest body of a request to publish; a larger one is answered with 413.",
            details: "Of all items together. Takes effect at the next start."),
        Setting(
            "bus", "--bus", .publishing, .text(\.bus, check: isBus), value: "url", secret: true,
            "The Redis by which servers tell each other what is published: redis://HOST:PORT/DB, rediss://, unix:PATH.",
            details:
                "redis://USER:PASSWORD@HOST:PORT/DB?PREFIX; rediss:// is the same with TLS, and the certificate is "
                + "checked; unix:/PATH?PREFIX is a socket file. Servers with the same Redis and prefix (evgateway:) "
                + "hear each other: held requests, evgateway.publish and evgateway.bus. Better in the environment, as "
                + "EVGATEWAY_BUS. Takes effect at the next start."),
    ]

    private static func isBus(_ text: String) throws(ValueError) {
        do throws(RedisAddress.Malformed) {
            _ = try RedisAddress(text)
        } catch {
            throw ValueError(error.reason)
        }
    }

    private static func isKey(_ text: String) throws(ValueError) {
        let prefix = "base64:"
        guard text.hasPrefix(prefix) else {
            if text.isEmpty { throw ValueError("is empty") }
            return
        }
        let digits = text.utf8.dropFirst(prefix.utf8.count)
        let isBase64 = digits.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="): true
            default: false
            }
        }
        guard isBase64, digits.count >= 2 else { throw ValueError("has no base64 behind 'base64:'") }
    }
}

extension Settings {
    func checkPublishBinds() throws(ConfigurationError) {
        let isOpen = configuration.publishKey == nil && configuration.publishToken == nil
        for address in configuration.publishBinds {
            func refuse(_ reason: String) -> ConfigurationError {
                ConfigurationError(label(of: "publish_bind"), reason: "\(address.text) \(reason)")
            }
            switch address {
            case .inherited, .named:
                throw refuse("serves the app: sockets that are passed on do; write HOST:PORT or unix:PATH")
            case .tcp(_, port: 0): break
            default:
                if configuration.binds.contains(address) { throw refuse("is where the app is served (--bind)") }
                if configuration.adminBinds.contains(address) {
                    throw refuse("is where the server answers for itself (--admin-bind)")
                }
            }
            if isOpen, !address.isOfThisMachine {
                throw refuse(
                    "is open to everybody who can reach it, who could then write to your clients: set --publish-key "
                        + "or --publish-token, or bind to 127.0.0.1 or to a unix socket")
            }
        }
    }
}

extension BindAddress {
    /// Nobody else can connect. Of an inherited socket that is not known here.
    package var isOfThisMachine: Bool {
        guard case .tcp(let host, _) = self else { return true }
        let isLoopback = host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." }
        return isLoopback || host == "localhost" || host == "::1"
    }
}

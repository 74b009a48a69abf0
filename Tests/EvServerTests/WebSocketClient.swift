/// A client of a WebSocket over a socket pair: bytes of RFC 6455, and nothing that the server's codec does.
final class WebSocketClient {
    struct Frame: Equatable {
        let opcode: UInt8
        let payload: [UInt8]

        static func text(_ text: String) -> Frame { Frame(opcode: 1, payload: Array(text.utf8)) }
        static func close(_ code: UInt16, _ reason: String = "") -> Frame {
            Frame(opcode: 8, payload: [UInt8(code >> 8), UInt8(code & 0xff)] + Array(reason.utf8))
        }
    }

    let client: Client
    private(set) var head = ""
    private var received: [UInt8] = []

    static func opening(_ path: String = "/", _ fields: String = "") -> String {
        "GET \(path) HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\(fields)\r\n"
    }

    /// Asks for a WebSocket, and reads the head of the answer.
    init(_ server: TestServer, _ path: String = "/", _ fields: String = "", behind: [UInt8] = []) async {
        client = await server.connect(sending: Array(Self.opening(path, fields).utf8) + behind)
        var bytes: [UInt8] = []
        while bytes.suffix(4) != [13, 10, 13, 10] {
            let byte = client.receive(1)
            if byte.isEmpty { break }
            bytes += byte
        }
        head = String(decoding: bytes, as: UTF8.self)
    }

    func send(_ text: String) { send(1, Array(text.utf8)) }
    func send(_ opcode: UInt8, _ payload: [UInt8]) { client.send(Self.frame(opcode, payload)) }
    func close(_ code: UInt16, _ reason: String = "") { send(8, Frame.close(code, reason).payload) }

    /// The key is zeros, so that the payload is as it was.
    static func frame(_ opcode: UInt8, _ payload: [UInt8]) -> [UInt8] {
        precondition(payload.count < 65_536)
        let length =
            payload.count < 126
            ? [0x80 | UInt8(payload.count)] : [0xfe, UInt8(payload.count >> 8), UInt8(payload.count & 0xff)]
        return [0x80 | opcode] + length + [0, 0, 0, 0] + payload
    }

    /// The next frame; nil at the end of the connection.
    func frame() -> Frame? {
        guard let head = take(2) else { return nil }
        var count = Int(head[1])
        if count > 125 {
            guard let length = take(count == 126 ? 2 : 8) else { return nil }
            count = length.reduce(0) { $0 << 8 | Int($1) }
        }
        return take(count).map { Frame(opcode: head[0] & 0x0f, payload: $0) }
    }

    /// Whether the server has closed the connection.
    func isAtEnd() -> Bool { received.isEmpty && client.receive().isEmpty }

    private func take(_ count: Int) -> [UInt8]? {
        while received.count < count {
            let more = client.receive(1 << 20)
            if more.isEmpty { return nil }
            received += more
        }
        let taken = Array(received[..<count])
        received.removeFirst(count)
        return taken
    }
}

// What a held request, or a WebSocket, listens on, as it is told outside of its worker. Law: bounded: the first names,
// the beginnings of long ones, and how many there are.

import EvLoop
import GRIP

package struct ListeningRecord: Equatable, Sendable {
    package enum Mode: UInt8, Sendable { case response, stream, websocket }

    package var mode: Mode
    /// Monotonic seconds at which a long poll is answered without a message; nil for none.
    package var until: Double?
    /// The first channels, in UTF-8.
    package var names: [[UInt8]]
    /// All channels.
    package var count: Int

    /// Names that are told, and bytes of each.
    package static let most = 3
    private static let longest = 64

    package init(_ mode: Mode, until: Double? = nil, names: some Collection<[UInt8]>) {
        self.mode = mode
        self.until = until
        self.names = names.prefix(Self.most).map(Self.shortened)
        count = names.count
    }

    /// With an ellipsis where something is left out, and no half of a character.
    private static func shortened(_ name: [UInt8]) -> [UInt8] {
        guard name.count > longest else { return name }
        var end = longest - 3
        while end > 0, name[end] & 0xc0 == 0x80 { end -= 1 }
        return Array(name[..<end]) + Array("\u{2026}".utf8)
    }

    func append(to bytes: inout [UInt8]) {
        bytes.append(mode.rawValue)
        bytes.append(integer: (until ?? .nan).bitPattern)
        bytes.append(integer: UInt32(clamping: count))
        bytes.append(UInt8(truncatingIfNeeded: names.count))
        for name in names { bytes.append(text: name) }
    }

    init?(taking bytes: inout ArraySlice<UInt8>) {
        guard let mode = bytes.popFirst().flatMap(Mode.init), let until = bytes.takeInteger(UInt64.self),
            let count = bytes.takeInteger(UInt32.self), let told = bytes.popFirst(), told <= Self.most
        else { return nil }
        var names: [[UInt8]] = []
        for _ in 0..<told {
            guard let name = bytes.takeText() else { return nil }
            names.append(name)
        }
        self.init(mode, until: Double(told: until), names: names)
        self.count = Int(count)
    }
}

extension Waiter {
    var listeningRecord: ListeningRecord? {
        if let socket = self as? WebSocketConnection {
            return socket.listening.map { ListeningRecord(.websocket, names: $0.entries.map(\.channel.name)) }
        }
        guard let hold else { return nil }
        let isPoll = hold.mode == .response
        return ListeningRecord(
            isPoll ? .response : .stream, until: isPoll && hold.deadline.isFinite ? hold.deadline : nil,
            names: hold.channelNames)
    }
}

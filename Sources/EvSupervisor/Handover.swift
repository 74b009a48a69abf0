// What a master passes on to the next one, as the text of one environment variable: the ids of both processes, and
// each listening socket with its descriptor and the address that it was opened for. The sockets themselves pass
// through exec, and so do the channel on which the next master tells how it gets on, and the bus. A word of another
// name is from a later version, and is passed over.
import EvLoop
import Glibc

package struct Handover: Equatable {
    package static let variable = "EVGATEWAY_HANDOVER"

    /// A socket that the next master has inherited.
    package struct Socket: Equatable {
        let fileDescriptor: Int32
        /// Of the worker that alone has it; nil if all share it.
        let index: Int?
        /// `BindAddress.text`, as the configuration has it.
        let address: String
        /// Of the socket's file.
        let file: FileIdentity?
    }

    package let process: Int32
    package let master: Int32
    package let sockets: [Socket]
    /// On which the next master says that it serves, where somebody waits for that.
    let channel: Int32?
    /// Nil where the next master's processes cannot reach those of this one.
    let ground: PassedGround?

    init(
        process: Int32, master: Int32, sockets: [Socket], channel: Int32? = nil, ground: PassedGround? = nil
    ) {
        self.process = process
        self.master = master
        self.sockets = sockets
        self.channel = channel
        self.ground = ground
    }

    /// Reads the variable's text. Nil if it was meant for another process, such as the one whose environment a program
    /// has inherited, or was not written by a master.
    package init?(reading text: String, process own: Int32 = getpid()) {
        let fields = text.split(separator: " ", omittingEmptySubsequences: false)
        guard fields.count >= 2, let process = Int32(fields[0]), process == own, let master = Int32(fields[1])
        else { return nil }
        var sockets: [Socket] = []
        var channel: Int32?
        var ground: PassedGround?
        for field in fields.dropFirst(2) {
            if field.hasPrefix(Self.channelMark) {
                guard let number = Int32(field.dropFirst(Self.channelMark.count)), number > 2 else { return nil }
                channel = number
                continue
            }
            if field.first?.isLetter == true {
                ground = PassedGround(field) ?? ground
                continue
            }
            guard let socket = Socket(field) else { return nil }
            sockets.append(socket)
        }
        self.init(process: process, master: master, sockets: sockets, channel: channel, ground: ground)
    }

    /// Without a channel and a bus, masters that know of none can read it.
    package var text: String {
        let channel = channel.map { ["\(Self.channelMark)\($0)"] } ?? []
        let ground = [ground?.text].compactMap(\.self)
        return (["\(process)", "\(master)"] + channel + ground + sockets.map(\.text)).joined(separator: " ")
    }

    private static let channelMark = "channel="

    /// Whether workers have sockets of their own; nil if there is no TCP socket to tell it.
    var usesReusePort: Bool? {
        let ofTCP = sockets.filter { socket in
            if case .tcp? = try? BindAddress(parsing: socket.address) { true } else { false }
        }
        return ofTCP.isEmpty ? nil : ofTCP.contains { $0.index != nil }
    }

    /// The same with some of the sockets only.
    func keeping(_ isWanted: (Socket) -> Bool) -> Handover {
        Handover(process: process, master: master, sockets: sockets.filter(isWanted), channel: channel, ground: ground)
    }

    /// Keeps the sockets from programs that this process executes.
    package func closeOnExec() {
        for number in sockets.map(\.fileDescriptor) + [channel].compactMap(\.self) + (ground?.descriptors ?? []) {
            _ = fcntl(number, F_SETFD, FD_CLOEXEC)
        }
    }
}

extension Handover.Socket {
    /// `5,0,2049:77,127.0.0.1:8000`: descriptor, index or `-`, device and inode or `-`, address.
    var text: String {
        let file = file.map { "\($0.device):\($0.inode)" } ?? "-"
        return "\(fileDescriptor),\(index.map(String.init) ?? "-"),\(file),\(Self.escaped(address))"
    }

    init?(_ text: Substring) {
        let parts = text.split(separator: ",", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 4, let descriptor = Int32(parts[0]), descriptor > 2 else { return nil }
        guard parts[1] == "-" || Int(parts[1]) != nil else { return nil }
        let numbers = parts[2].split(separator: ":").compactMap { UInt($0) }
        guard parts[2] == "-" || numbers.count == 2, let address = Self.unescaped(parts[3]) else { return nil }
        self.init(
            fileDescriptor: descriptor, index: Int(parts[1]), address: address,
            file: numbers.count == 2 ? FileIdentity(device: numbers[0], inode: numbers[1]) : nil)
    }

    /// A path may hold every byte but NUL.
    private static func escaped(_ text: String) -> String {
        text.utf8.map { byte in
            byte > 0x20 && byte < 0x7f && byte != UInt8(ascii: "%")
                ? String(UnicodeScalar(byte)) : "%" + String(Int(byte) + 0x100, radix: 16).dropFirst()
        }.joined()
    }

    private static func unescaped(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), rest.count >= 2
            else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

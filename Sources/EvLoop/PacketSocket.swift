// Packets between the processes of one server: each comes whole or not at all, and one may bring a descriptor. Whoever
// sends never waits: packets queue up to a limit here, and beyond it the newest are dropped.

import CEvLoop
import Glibc

package final class PacketSocket {
    /// No packet is longer.
    package static let largest = 32_768
    private static let longestQueue = 4096

    package let fileDescriptor: Int32
    private let onPacket: (_ bytes: UnsafeRawBufferPointer, _ descriptor: Int32?) -> Void
    private let onEnd: () -> Void
    private var watcher: IOWatcher?
    private var outbox: [(bytes: [UInt8], descriptor: Int32?)] = []
    /// The other end is gone, or this one has been closed.
    package private(set) var isClosed = false

    /// Takes the descriptor over.
    ///
    /// - Parameters:
    ///   - onPacket: gets the bytes for the length of the call, and the descriptor for good.
    ///   - onEnd: called once, when the other end is gone, and not after `close()`.
    package init(
        _ loop: EventLoop, fileDescriptor: Int32,
        onPacket: @escaping (_ bytes: UnsafeRawBufferPointer, _ descriptor: Int32?) -> Void,
        onEnd: @escaping () -> Void = {}
    ) {
        self.fileDescriptor = fileDescriptor
        self.onPacket = onPacket
        self.onEnd = onEnd
        watcher = IOWatcher(loop, fileDescriptor: fileDescriptor, events: .read) { [unowned self] events in
            if events.contains(.write) { flush() }
            if events.contains(.read) { receive() }
        }
        watcher?.start()
    }

    /// Makes two connected ends; the caller owns both.
    package static func pair() throws(SystemError) -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        let result = evg_packet_pair(&ends)
        guard result == 0 else { throw SystemError("socketpair", errno: -result) }
        return (ends[0], ends[1])
    }

    /// Sends a packet of at most ``largest`` bytes, now or as soon as there is room.
    ///
    /// - Parameter descriptor: the receiver gets a copy. It must stay open until the packet is sent.
    /// - Returns: false if the packet is dropped.
    @discardableResult
    package func send(_ bytes: [UInt8], descriptor: Int32? = nil) -> Bool {
        guard !isClosed, bytes.count <= Self.largest, outbox.count < Self.longestQueue else { return false }
        outbox.append((bytes, descriptor))
        if outbox.count == 1 { flush() }
        return !isClosed
    }

    package func close() {
        guard !isClosed else { return }
        isClosed = true
        // It may be calling just now, so it stays until this object goes.
        watcher?.stop()
        outbox = []
        Socket.close(fileDescriptor)
    }

    private func flush() {
        var sent = 0
        while sent < outbox.count {
            let (bytes, descriptor) = outbox[sent]
            let result = bytes.withUnsafeBytes {
                evg_packet_send(fileDescriptor, $0.baseAddress, $0.count, descriptor ?? -1)
            }
            if result == -Int(EAGAIN) { break }
            // A descriptor that has been closed meanwhile: the receiver does not miss it.
            if result < 0, result != -Int(EBADF) { return end() }
            sent += 1
        }
        outbox.removeFirst(sent)
        watcher?.setEvents(outbox.isEmpty ? .read : .both)
    }

    /// Takes what has come, without a wait for the loop to notice.
    package func receive() {
        withUnsafeTemporaryAllocation(byteCount: Self.largest, alignment: 8) { buffer in
            while !isClosed {
                var passed: Int32 = -1
                let count = evg_packet_receive(fileDescriptor, buffer.baseAddress, buffer.count, &passed)
                if count == -Int(EAGAIN) { return }
                if count == -Int(EMSGSIZE) { continue }
                guard count > 0 else { return end() }
                onPacket(UnsafeRawBufferPointer(rebasing: buffer[..<count]), passed < 0 ? nil : passed)
            }
        }
    }

    private func end() {
        guard !isClosed else { return }
        close()
        onEnd()
    }
}

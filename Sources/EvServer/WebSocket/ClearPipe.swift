// Between OpenSSL and an app that has taken over a connection: the app has one end of a pair of sockets, and bytes in
// the clear pass through the other. Law: whoever takes nothing holds the other side back; what the app has written
// before it ended is sent.

import EvLoop
import Glibc

@LoopActor
final class ClearPipe {
    /// Bytes that may wait for the app.
    private static let most = 65_536

    private let descriptor: Int32
    private unowned(unsafe) let connection: TakenConnection
    private var watcher: IOWatcher?
    /// What the app has not taken.
    private var waiting: [UInt8] = []
    /// The client sends no more.
    private var isInputOver = false
    /// The app sends no more.
    private var isOutputOver = false

    /// - Parameter descriptor: taken over.
    init(_ descriptor: Int32, _ connection: TakenConnection) {
        self.descriptor = descriptor
        self.connection = connection
        watcher = IOWatcher(connection.worker.loop, fileDescriptor: descriptor, events: .read) {
            [unowned self] events in
            self.ready(events)
        }
        updateInterest()
    }

    var isFull: Bool { waiting.count >= Self.most }

    func updateInterest() {
        let reading: IOEvents = isOutputOver || connection.output.isWaiting ? .none : .read
        watcher?.setEvents(reading.union(waiting.isEmpty ? .none : .write))
    }

    private func ready(_ events: IOEvents) {
        if events.contains(.write), !waiting.isEmpty { flush() }
        if events.contains(.read), watcher != nil, !isOutputOver, !connection.output.isWaiting { _ = pass() }
        guard watcher != nil else { return }
        updateInterest()
        connection.updateInterest()
    }

    /// Sends what the app has written. False when there is no more now.
    private func pass() -> Bool {
        let buffer = connection.worker.readBuffer
        let count = Socket.read(descriptor, into: buffer)
        if count == 0 || count < 0 && count != SocketError.wouldBlock { isOutputOver = true }
        guard count > 0 else { return false }
        connection.transmit(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        return watcher != nil
    }

    /// The app has ended.
    func drain() {
        while !isOutputOver, pass() {}
    }

    /// Gives bytes of the client to the app.
    func send(_ bytes: UnsafeRawBufferPointer) {
        waiting.append(contentsOf: bytes)
        flush()
        updateInterest()
    }

    private func flush() {
        let sent = waiting.withUnsafeBytes { Socket.send(descriptor, $0) }
        if sent > 0 { waiting.removeFirst(sent) }
        // An app that reads no more misses nothing.
        if sent < 0, sent != SocketError.wouldBlock { waiting = [] }
        if waiting.isEmpty, isInputOver { Socket.shutdownWriting(descriptor) }
    }

    func endInput() {
        isInputOver = true
        if waiting.isEmpty { Socket.shutdownWriting(descriptor) }
    }

    /// Threads and greenlets of the app that still wait wake.
    func close() {
        guard watcher != nil else { return }
        watcher?.stop()
        watcher = nil
        Socket.shutdownBoth(descriptor)
        Socket.close(descriptor)
    }
}

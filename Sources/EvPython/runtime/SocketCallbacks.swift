// The Swift side of evg_websocket.h. Law: on the loop's thread; nothing here calls the app.

public import CHTTP
public import CPythonBridge
import EvLoop
import EvServer
import GRIP
import HTTPCore
import WebSocketCodec

/// The message that was lent last; it stays until the next is taken. Nothing calls back while it is replaced.
@exclusivity(unchecked) @LoopActor private var lent: [UInt8] = []

@LoopActor private func lend(_ bytes: [UInt8], _ place: UnsafeMutablePointer<evg_py_text>) {
    lent = bytes
    place.pointee = lent.withUnsafeBytes { evg_py_text($0) }
}

@_cdecl("evg_swift_socket_subprotocol")
public func socketSubprotocol(
    _ pointer: OpaquePointer, _ index: UInt32, _ name: UnsafeMutablePointer<evg_py_text>
) -> Bool {
    nonisolated(unsafe) let (pointer, name) = (pointer, name)
    return LoopActor.assumeIsolated {
        guard let offer = exchange(pointer).offer, Int(index) < offer.subprotocols.count else { return false }
        lend(Array(offer.subprotocols[Int(index)].utf8), name)
        return true
    }
}

@_cdecl("evg_swift_socket_accept")
public func socketAccept(
    _ pointer: OpaquePointer, _ head: UnsafePointer<evg_response_head>, _ subprotocol: evg_py_text
) -> evg_accepted {
    nonisolated(unsafe) let (pointer, head, subprotocol) = (pointer, head, subprotocol)
    return LoopActor.assumeIsolated {
        let exchange = exchange(pointer)
        let name = subprotocol.base.map { _ in String(decoding: UnsafeRawBufferPointer(subprotocol), as: UTF8.self) }
        if let name, exchange.offer?.subprotocols.contains(name) != true { return EVG_ACCEPT_UNKNOWN_SUBPROTOCOL }
        let socket = exchange.acceptWebSocket(subprotocol: name, ResponseHead.lent(head).pointee)
        return socket == nil ? EVG_ACCEPT_GONE : EVG_ACCEPTED
    }
}

@_cdecl("evg_swift_socket_next")
public func socketNext(
    _ pointer: OpaquePointer, _ bytes: UnsafeMutablePointer<evg_py_text>, _ code: UnsafeMutablePointer<Int32>
) -> evg_socket_event {
    onLoop(pointer, (bytes, code)) { exchange, place in
        switch exchange.webSocket?.next() {
        case .message(let message):
            lend(message.bytes, place.0)
            return message.isText ? EVG_SOCKET_TEXT : EVG_SOCKET_BYTES
        case .closed(let code, let reason):
            lend(Array(reason.utf8), place.0)
            place.1.pointee = Int32(code.rawValue)
            return EVG_SOCKET_CLOSED
        case .wait, nil:
            return EVG_SOCKET_WAIT
        }
    }
}

@_cdecl("evg_swift_socket_send")
public func socketSend(_ pointer: OpaquePointer, _ isText: Bool, _ bytes: evg_py_text) -> evg_sent {
    onLoop(pointer, (isText, bytes)) { exchange, message in
        exchange.webSocket?.send(isText: message.0, UnsafeRawBufferPointer(message.1)).sent ?? EVG_SENT_GONE
    }
}

@_cdecl("evg_swift_socket_subscribe")
public func socketSubscribe(
    _ pointer: OpaquePointer, _ channel: UnsafePointer<evg_socket_channel>, _ reason: UnsafeMutablePointer<CChar>?,
    _ capacity: Int
) -> Bool {
    nonisolated(unsafe) let (pointer, channel) = (pointer, channel)
    let refusal: GRIPError? = LoopActor.assumeIsolated {
        guard let socket = exchange(pointer).webSocket else { return nil }
        guard let channels = socket.channels else { return GRIPError("channels need --grip") }
        do throws(GRIPError) {
            try channels.subscribe(socket, to: SocketSubscription(channel.pointee))
        } catch {
            return error
        }
        return nil
    }
    refusal?.write(to: reason, capacity)
    return refusal == nil
}

@_cdecl("evg_swift_socket_unsubscribe")
public func socketUnsubscribe(_ pointer: OpaquePointer, _ channel: evg_py_text) {
    nonisolated(unsafe) let (pointer, channel) = (pointer, channel)
    LoopActor.assumeIsolated {
        guard let socket = exchange(pointer).webSocket else { return }
        socket.channels?.unsubscribe(socket, from: Array(UnsafeRawBufferPointer(channel)))
    }
}

extension SocketSubscription {
    fileprivate init(_ channel: evg_socket_channel) {
        func texts(_ base: UnsafePointer<evg_py_text>?, _ count: Int) -> [[UInt8]] {
            UnsafeBufferPointer(start: base, count: count).map { Array(UnsafeRawBufferPointer($0)) }
        }
        self.init(channel: Array(UnsafeRawBufferPointer(channel.name)))
        filters = texts(channel.filters, channel.filter_count)
        let meta = texts(channel.meta, channel.meta_count)
        self.meta = stride(from: 0, to: meta.count - 1, by: 2).map { Field(name: meta[$0], value: meta[$0 + 1]) }
        skips = channel.skips
    }
}

@_cdecl("evg_swift_socket_close")
public func socketClose(_ pointer: OpaquePointer, _ code: UInt16, _ reason: evg_py_text) -> Bool {
    nonisolated(unsafe) let (pointer, reason) = (pointer, reason)
    let code = CloseCode(rawValue: code)
    guard code.isSendable else { return false }
    LoopActor.assumeIsolated {
        exchange(pointer).webSocket?.close(
            code, reason: String(decoding: UnsafeRawBufferPointer(reason), as: UTF8.self))
    }
    return true
}

@_cdecl("evg_swift_socket_take")
public func socketTake(_ pointer: OpaquePointer, _ leftOver: UnsafeMutablePointer<evg_py_text>) -> Int32 {
    nonisolated(unsafe) let (pointer, leftOver) = (pointer, leftOver)
    return LoopActor.assumeIsolated {
        guard let taken = exchange(pointer).takeConnection() else { return -1 }
        lend(taken.leftOver, leftOver)
        return taken.descriptor
    }
}

extension Exchange {
    /// As `readHandshake`, for WSGI apps: a request without `Connection: Upgrade` is theirs, whatever else it says.
    func admitsWebSocket() -> Bool { !head.upgrade || readHandshake() }
}

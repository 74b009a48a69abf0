// The Swift side of evg_websocket.h. Law: on the loop's thread; nothing here calls the app.

public import CHTTP
public import CPythonBridge
import EvLoop
import EvServer
import HTTPCore
import WebSocketCodec

/// The message that was lent last; it stays until the next is taken.
@LoopActor private var lent: [UInt8] = []

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
    nonisolated(unsafe) let (pointer, bytes, code) = (pointer, bytes, code)
    return LoopActor.assumeIsolated {
        switch exchange(pointer).webSocket?.next() {
        case .message(let message):
            lend(message.bytes, bytes)
            return message.isText ? EVG_SOCKET_TEXT : EVG_SOCKET_BYTES
        case .closed(let closeCode, let reason):
            lend(Array(reason.utf8), bytes)
            code.pointee = Int32(closeCode.rawValue)
            return EVG_SOCKET_CLOSED
        case .wait, nil:
            return EVG_SOCKET_WAIT
        }
    }
}

@_cdecl("evg_swift_socket_send")
public func socketSend(_ pointer: OpaquePointer, _ isText: Bool, _ bytes: evg_py_text) -> evg_sent {
    nonisolated(unsafe) let (pointer, bytes) = (pointer, bytes)
    return LoopActor.assumeIsolated {
        exchange(pointer).webSocket?.send(isText: isText, UnsafeRawBufferPointer(bytes)).sent ?? EVG_SENT_GONE
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
    /// Looks whether a WSGI app may make a WebSocket of this request, and notes it.
    /// - Returns: false for a request that has been answered, because it asks in a way that cannot be.
    func admitsWebSocket() -> Bool {
        guard head.upgrade else { return true }
        switch handshake {
        case .none:
            return true
        case .asked(let accept, let subprotocols):
            offer = WebSocketOffer(accept, subprotocols)
            return true
        case .refused(let refusal):
            refuseWebSocket(refusal)
            return false
        }
    }
}

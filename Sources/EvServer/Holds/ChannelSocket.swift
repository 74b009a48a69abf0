// WebSockets that listen on channels, beside the holds.

import EvLoop
import GRIP
import WebSocketCodec

/// A WebSocket that gets the messages of a channel.
struct SocketMember {
    unowned let socket: WebSocketConnection

    @LoopActor func send(_ item: HeldItem, _ format: SocketFormat, on channel: HeldChannel) {
        guard format.action == .send, let message = item.socketMessage else { return }
        Counted.add(at: socket.sendNow(message) == .ok ? Counter.itemsDelivered : Counter.itemsLost)
    }
}

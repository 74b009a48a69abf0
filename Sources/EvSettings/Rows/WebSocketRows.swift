// The rows of WebSocket: what a client may send, and how it is found out that it is gone.

extension Setting {
    static let webSocketRows = [
        Setting(
            "ws", "--ws", .webSocket, .webSocket, value: "name",
            "auto: a request for a WebSocket may become one; none: it is an ordinary request.",
            details: "The implementations that uvicorn has to choose from mean auto. Without a word --ws is auto."),
        Setting(
            "websocket_max_message_size", "--websocket-max-message-size --ws-max-size", .webSocket,
            .wholeNumber(\.webSocketMaxSize, 1...1 << 30), value: "int",
            "Most bytes of a message; a longer one closes its WebSocket with code 1009."),
        Setting(
            "ws_max_queue", "--ws-max-queue", .webSocket, .wholeNumber(\.webSocketMaxQueue, 1...65_536), value: "int",
            "Messages that wait for the app before a WebSocket is read no further."),
        Setting(
            "ws_ping_interval", "--ws-ping-interval", .webSocket, .seconds(\.webSocketPingInterval), value: "seconds",
            "Silence on a WebSocket after which its client is asked for a sign of life; 0: never."),
        Setting(
            "ws_ping_timeout", "--ws-ping-timeout", .webSocket, .seconds(\.webSocketPingTimeout), value: "seconds",
            "Time for that sign, before the WebSocket is closed; 0: no limit."),
        Setting(
            "ws_per_message_deflate", "--ws-per-message-deflate", off: "--no-ws-per-message-deflate", .webSocket,
            .toggleWithWord(\.webSocketIsCompressed),
            "Messages are compressed for clients that offer it (permessage-deflate).",
            details: "Those of 256 bytes or more that get smaller. --ws-per-message-deflate false is understood, too."),
        Setting(
            "ws_deflate_context_takeover", "--ws-deflate-context-takeover", .webSocket,
            .toggle(\.webSocketKeepsContext),
            "A compressed message may refer to earlier ones of its WebSocket.",
            details:
                "Small messages that resemble each other shrink more. A WebSocket then costs up to 4 KB more while "
                + "it is idle, and 38 KB within --ws-ping-interval of a message to it."),
    ]
}

extension Kind {
    fileprivate static var webSocket: Kind {
        let others = ["websockets", "websockets-sansio", "wsproto"]
        return choice(
            \.webSocket, also: Dictionary(uniqueKeysWithValues: others.map { ($0, .auto) }),
            alone: Alone(value: WebSocketChoice.auto.rawValue, otherWords: others))
    }
}

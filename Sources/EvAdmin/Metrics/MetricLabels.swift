// What counters are called in the values of labels.

import EvServer

extension Refusal {
    var label: String {
        switch self {
        case .malformed: "malformed"
        case .targetTooLong: "target_too_long"
        case .headTooLarge: "head_too_large"
        case .version: "version"
        case .notImplemented: "not_implemented"
        case .expectation: "expectation"
        case .headTimeout: "head_timeout"
        case .bodyMalformed: "body_malformed"
        case .bodyTooLarge: "body_too_large"
        case .bodyTimeout: "body_timeout"
        case .forwarded: "forwarded"
        case .proxyHeader: "proxy_header"
        case .webSocket: "websocket"
        case .full: "full"
        case .leaving: "leaving"
        }
    }
}

extension DisconnectPhase {
    var label: String {
        switch self {
        case .head: "head"
        case .body: "body"
        case .app: "app"
        case .response: "response"
        case .idle: "idle"
        case .webSocket: "websocket"
        }
    }
}

extension ConnectionState {
    var label: String {
        switch self {
        case .reading: "reading"
        case .body: "body"
        case .idle: "idle"
        case .active: "active"
        case .webSocket: "websocket"
        case .closing: "closing"
        }
    }
}

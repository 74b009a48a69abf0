// What is told of a request while it runs, to whoever asks what a worker does. Law: made when somebody asks; a request
// that nobody asks for pays nothing for it.

package import EvLoop
import HTTPCore

package struct RequestSummary: Sendable, Equatable {
    /// As received, repaired where they are not UTF-8; they may hold control characters. The path has no query.
    package let method: String
    package let path: String
    /// As trusted proxies say, else the peer; empty for a Unix socket.
    package let client: String
    /// Seconds since its head was complete.
    package let age: Double
    package let state: RequestState

    package init(method: String, path: String, client: String, age: Double, state: RequestState) {
        self.method = method
        self.path = path
        self.client = client
        self.age = age
        self.state = state
    }

    /// - Parameter runs: code of the app is known to run for it.
    @LoopActor package init(_ exchange: Exchange, runs: Bool = false) {
        let head = exchange.head
        self.init(
            method: head.string(head.method), path: head.string(head.path), client: exchange.client.address,
            age: max(0, EventLoop.monotonicNow() - exchange.startedAt), state: RequestState(exchange, runs: runs))
    }
}

extension RequestState {
    @LoopActor fileprivate init(_ exchange: Exchange, runs: Bool) {
        if exchange.clientHasLeft {
            self = .clientLeft
        } else if exchange.isGone {
            self = .answered
        } else if exchange.hold != nil {
            self = .held
        } else if exchange.hasUpgraded {
            self = .websocket
        } else if exchange.headWasSent, !exchange.isDrained {
            self = .writing
        } else if !exchange.isBodyComplete, (exchange.app == .waiting && !runs) || exchange.carrier.wait == .body {
            self = .reading
        } else {
            switch exchange.app {
            case .none, .waiting: self = runs ? .app : .queued
            case .parked: self = .parked
            case .called, .ended: self = .app
            }
        }
    }
}

extension Exchange {
    /// Distinguishes it from all others that live; the bridge to C names it so.
    package nonisolated var identity: Int { Int(bitPattern: Unmanaged.passUnretained(self).toOpaque()) }
}

extension Worker {
    /// The requests that are not answered yet, and those of WebSockets; the oldest first.
    package var runningExchanges: [Exchange] {
        exchanges(in: [.active, .body, .halfClose, .ping, .pong]).sorted { $0.startedAt < $1.startedAt }
    }

    func exchanges(in waits: [Wait]) -> [Exchange] {
        var found: [Exchange] = []
        for wait in waits {
            deadlines.forEach(wait) { waiter in
                if let exchange = waiter.exchange { found.append(exchange) }
            }
        }
        return found
    }
}

// Where the answer of an exchange goes. The exchange decides what is said, and how many bytes of it; the carrier puts
// it into the frames of its wire. Another protocol is another case here, and changes nothing in the exchange.

package import EvLoop
package import HTTPCore

package enum Carrier: Sendable {
    case http1(HTTP1Connection)
    /// A wire that this target does not know, as tests have it.
    case other(any ResponseCarrier)
}

/// What a wire does for the exchange that it carries. Bytes are lent for the call. When the peer leaves it calls
/// `Exchange.clientLeft()`, and when bytes that waited have been taken `Exchange.outputDrained()`.
@LoopActor
package protocol ResponseCarrier: AnyObject, Sendable {
    /// The connection that it stands on, known beyond the response.
    var connection: Connection { get }
    /// The head, and the first bytes of the body or none. `announced` is the Content-Length.
    func begin(_ head: borrowing ResponseHead, of response: ResponseBeginning, _ first: UnsafeRawBufferPointer)
    /// The whole response.
    func respond(_ head: borrowing ResponseHead, of response: ResponseBeginning, _ body: UnsafeRawBufferPointer)
    /// Bytes of the body, at least one.
    func write(_ bytes: UnsafeRawBufferPointer)
    /// Says that `count` bytes of a file follow, at least one, which the exchange sends by the transport.
    func beginFile(count: Int)
    func endFile()
    /// False where the bytes of a file need frames of their own, and go by `write`.
    var sendsFiles: Bool { get }
    /// The end of a body that was written in pieces and is whole, and the field lines behind it, each with its CRLF, or
    /// none. A wire without trailers leaves them out.
    func sendEnd(trailers: UnsafeRawBufferPointer)
    /// The response is over. `isShort`: its body is shorter than announced, and the client must see that.
    func finished(isShort: Bool)
    /// A response that cannot be completed: the client must not take it for whole.
    func breakOff()
    /// The client may send its body (RFC 9110 10.1.1).
    func sendContinue()
    /// A 103 with these field lines, before the response (RFC 8297).
    func sendEarlyHints(_ lines: UnsafeRawBufferPointer)
    /// More of the request body can be taken.
    func bodyWasTaken()
    /// Somebody waits for the body from now on: it has to make progress.
    func bodyIsAwaited()

    // MARK: held requests

    /// The request waits, with a time limit of its own.
    func beginHold()
    /// The same request is an exchange of its own once more.
    func goesOn(with exchange: Exchange)

    // MARK: back-pressure, where it is not that of the connection

    /// What the request waits for.
    var wait: Wait? { get }
    /// Whether the next bytes find room in memory, or in a spool.
    func hasRoom(spools: Bool) -> Bool
    var isDrained: Bool { get }
    /// Bytes go to a spool from now on, if those in memory are many.
    func spoolIfFull()
    /// Waits, and blocks, until no more than `count` bytes wait.
    func flushBlocking(to count: Int, seconds: Double)
}

extension ResponseCarrier {
    package var sendsFiles: Bool { true }
    /// A wire without interim responses.
    package func sendEarlyHints(_ lines: UnsafeRawBufferPointer) {}

    package func beginHold() {}
    package func goesOn(with exchange: Exchange) {}

    package var wait: Wait? { connection.wait }
    package func hasRoom(spools: Bool) -> Bool { connection.hasRoom(spools: spools) }
    package var isDrained: Bool { connection.isDrained }
    package func spoolIfFull() { connection.spoolIfFull() }
    package func flushBlocking(to count: Int, seconds: Double) {
        _ = connection.flushBlocking(to: count, seconds: seconds)
    }
}

/// What a wire is told of a response beside its head.
package struct ResponseBeginning {
    unowned(unsafe) let exchange: Exchange
    package let length: ResponseLength
    /// The value of the Content-Length field; nil for none.
    package let announced: UInt64?

    /// Field lines of the server's own, each with its CRLF, that the app's head does not have. Valid for the call.
    @LoopActor package func lines(beside head: borrowing ResponseHead) -> UnsafeRawBufferPointer {
        let worker = exchange.worker
        guard worker.tracesRequests || worker.sticky != nil else {
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return exchange.ownLines(beside: head)
    }
}

extension Carrier {
    @LoopActor package var connection: Connection {
        switch self {
        case .http1(let connection): connection
        case .other(let carrier): carrier.connection
        }
    }

    @LoopActor func begin(
        _ head: borrowing ResponseHead, of response: ResponseBeginning, _ first: UnsafeRawBufferPointer
    ) {
        switch self {
        case .http1(let connection): connection.begin(head, of: response, first)
        case .other(let carrier): carrier.begin(head, of: response, first)
        }
    }

    @LoopActor func respond(
        _ head: borrowing ResponseHead, of response: ResponseBeginning, _ body: UnsafeRawBufferPointer
    ) {
        switch self {
        case .http1(let connection): connection.respond(head, of: response, body)
        case .other(let carrier): carrier.respond(head, of: response, body)
        }
    }

    @LoopActor func write(_ bytes: UnsafeRawBufferPointer) {
        switch self {
        case .http1(let connection): connection.write(bytes)
        case .other(let carrier): carrier.write(bytes)
        }
    }

    @LoopActor func beginFile(count: Int) {
        switch self {
        case .http1(let connection): connection.beginFile(count: count)
        case .other(let carrier): carrier.beginFile(count: count)
        }
    }

    @LoopActor var sendsFiles: Bool {
        switch self {
        case .http1: true
        case .other(let carrier): carrier.sendsFiles
        }
    }

    @LoopActor func endFile() {
        switch self {
        case .http1(let connection): connection.endFile()
        case .other(let carrier): carrier.endFile()
        }
    }

    @LoopActor func sendEnd(trailers: UnsafeRawBufferPointer) {
        switch self {
        case .http1(let connection): connection.sendEnd(trailers: trailers)
        case .other(let carrier): carrier.sendEnd(trailers: trailers)
        }
    }

    @LoopActor func finished(_ exchange: Exchange, isShort: Bool) {
        switch self {
        case .http1(let connection): connection.responseFinished(exchange, isShort: isShort)
        case .other(let carrier): carrier.finished(isShort: isShort)
        }
    }

    @LoopActor func breakOff() {
        switch self {
        case .http1(let connection): connection.breakOff()
        case .other(let carrier): carrier.breakOff()
        }
    }

    @LoopActor func sendContinue() {
        switch self {
        case .http1(let connection): connection.sendContinue()
        case .other(let carrier): carrier.sendContinue()
        }
    }

    @LoopActor func sendEarlyHints(_ lines: UnsafeRawBufferPointer) {
        switch self {
        case .http1(let connection): connection.sendEarlyHints(lines)
        case .other(let carrier): carrier.sendEarlyHints(lines)
        }
    }

    @LoopActor func bodyWasTaken() {
        switch self {
        case .http1(let connection): connection.updateInterest()
        case .other(let carrier): carrier.bodyWasTaken()
        }
    }

    @LoopActor func bodyIsAwaited() {
        switch self {
        case .http1(let connection): connection.bodyIsAwaited()
        case .other(let carrier): carrier.bodyIsAwaited()
        }
    }

    // MARK: held requests

    @LoopActor func beginHold() {
        switch self {
        case .http1(let connection): connection.beginHold()
        case .other(let carrier): carrier.beginHold()
        }
    }

    @LoopActor func goesOn(with exchange: Exchange, after former: Exchange) {
        switch self {
        case .http1(let connection): connection.goOn(with: exchange, after: former)
        case .other(let carrier): carrier.goesOn(with: exchange)
        }
    }

    // MARK: back-pressure

    @LoopActor var wait: Wait? {
        switch self {
        case .http1(let connection): connection.wait
        case .other(let carrier): carrier.wait
        }
    }

    @LoopActor func hasRoom(spools: Bool) -> Bool {
        switch self {
        case .http1(let connection): connection.hasRoom(spools: spools)
        case .other(let carrier): carrier.hasRoom(spools: spools)
        }
    }

    @LoopActor var isDrained: Bool {
        switch self {
        case .http1(let connection): connection.isDrained
        case .other(let carrier): carrier.isDrained
        }
    }

    @LoopActor func spoolIfFull() {
        switch self {
        case .http1(let connection): connection.spoolIfFull()
        case .other(let carrier): carrier.spoolIfFull()
        }
    }

    @LoopActor func flushBlocking(to count: Int, seconds: Double) {
        switch self {
        case .http1(let connection): _ = connection.flushBlocking(to: count, seconds: seconds)
        case .other(let carrier): carrier.flushBlocking(to: count, seconds: seconds)
        }
    }
}

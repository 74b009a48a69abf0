// The seam for another protocol: a toy one as a second stage of connections and a second carrier of exchanges. A client
// says `LINES`, and from then on each line is a path; the answer is `STATUS LENGTH`, and the body behind it.

import CHTTP
import EvGateway
import EvLoop
@testable import EvServer
import EvTestSupport
import Glibc
import HTTP1
import HTTPCore
import Testing

@Suite struct LineProtocolTests {
    @Test func servesTheTestAppOverASecondProtocol() async throws {
        let client = try await TestServer(testApp).connect(sending: "LINES\n/hello\n/mi") {
            LinePreface($0, $1, $2, $3)
        }
        #expect(client.receive(until: "World!") == "200 13\nHello, World!")
        client.send("ssing\n/hello\n")
        #expect(client.receive(until: "World!").hasSuffix("200 13\nHello, World!"))
    }

    @Test func aStreamedBodyHasNoLength() async throws {
        let server = try await TestServer { _ in
            Response { writer in
                try await writer.write("one ")
                try await writer.write("two")
            }
        }
        let client = await server.connect(sending: "LINES\n/\n") { LinePreface($0, $1, $2, $3) }
        #expect(client.receiveToEnd() == "200 -\none two")
    }

    @Test func aClientThatLeavesCancelsTheRequest() async throws {
        let (begun, cancelled) = (Signal(), Signal())
        let server = try await TestServer { _ in
            begun.signal()
            do { try await Task.sleep(for: .seconds(3600), clock: .loop) } catch { cancelled.signal() }
            return Response("never")
        }
        let client = await server.connect(sending: "LINES\n/\n") { LinePreface($0, $1, $2, $3) }
        #expect(begun.wait())
        client.reset()
        #expect(cancelled.wait())
    }
}

/// The first stage: waits for the name of the protocol, and hands over what came behind it.
private final class LinePreface: Connection {
    private var bytes: [UInt8] = []

    override func begun() { worker.deadlines.begin(.head, self) }

    override func received(_ more: UnsafeRawBufferPointer) {
        bytes += more
        guard bytes.count >= 6 else { return }
        guard bytes.starts(with: "LINES\n".utf8) else { return close(linger: false) }
        let rest = Array(bytes[6...])
        rest.withUnsafeBytes { _ = become({ LineConnection($0, $1, $2, $3) }, leftOver: $0) }
    }
}

/// The second stage: lines in, exchanges out, one at a time.
private final class LineConnection: Connection, ResponseCarrier {
    private var pending: [UInt8] = []
    private var running: Exchange?
    private var endsWithConnection = false

    override var exchange: Exchange? { running }
    override var isIdle: Bool { running == nil }
    override func begun() { worker.deadlines.begin(.keepAlive, self) }

    override func received(_ bytes: UnsafeRawBufferPointer) {
        pending += bytes
        serve()
    }

    private func serve() {
        while running == nil, !isEnding, let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
            let path = String(decoding: pending[..<end], as: UTF8.self)
            pending.removeFirst(end + 1)
            guard let head = Self.head(path) else { return close(linger: false) }
            let exchange = Exchange(head, .other(self))
            running = exchange
            worker.deadlines.begin(.active, self)
            exchange.run()
        }
    }

    /// The head of a request that says no more than its path.
    private static func head(_ path: String) -> RequestHead? {
        var parser = RequestParser(limits: HTTPLimits())
        let text = Array("GET \(path) HTTP/1.1\r\nHost: lines\r\n\r\n".utf8)
        guard case .head(let head, _) = text.withUnsafeBytes({ parser.parse($0) }) else { return nil }
        return head
    }

    override func inputEnded() { gone() }
    override func outputTaken() { running?.outputDrained() }
    override var waitsForTransport: Bool { running?.waitsForTransport == true }
    override func peerLeft() {
        let exchange = running
        running = nil
        exchange?.clientLeft()
    }

    // MARK: ResponseCarrier

    var connection: Connection { self }

    private func send(_ head: borrowing ResponseHead, _ response: ResponseBeginning, _ body: UnsafeRawBufferPointer) {
        endsWithConnection = response.length.isOpen
        let line = Array("\(head.status) \(response.announced.map(String.init) ?? "-")\n".utf8)
        line.withUnsafeBytes { transmit($0, body) }
    }

    func begin(_ head: borrowing ResponseHead, of response: ResponseBeginning, _ first: UnsafeRawBufferPointer) {
        send(head, response, first)
    }
    func respond(_ head: borrowing ResponseHead, of response: ResponseBeginning, _ body: UnsafeRawBufferPointer) {
        send(head, response, body)
    }
    func write(_ bytes: UnsafeRawBufferPointer) { transmit(bytes) }
    func beginFile(count: Int) {}
    func endFile() {}
    func sendEnd(trailers: UnsafeRawBufferPointer) {}
    func finished(isShort: Bool) {
        running = nil
        if isShort || endsWithConnection { return close(linger: false) }
        worker.deadlines.begin(.keepAlive, self)
        // The next request must not run inside the task of this one.
        LoopExecutor.shared.later { self.serve() }
    }
    func breakOff() {
        running = nil
        closeNow(reset: true)
    }
    func sendContinue() {}
    func bodyWasTaken() {}
    func bodyIsAwaited() {}
}

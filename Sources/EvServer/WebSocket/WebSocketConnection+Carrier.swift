// What the exchange of a socket says to its wire. Law: nothing: there is no response behind a 101.

package import HTTPCore

extension WebSocketConnection: ResponseCarrier {
    package var connection: Connection { self }
    package func begin(
        _ head: borrowing ResponseHead, of response: ResponseBeginning, _ first: UnsafeRawBufferPointer
    ) {}
    package func respond(
        _ head: borrowing ResponseHead, of response: ResponseBeginning, _ body: UnsafeRawBufferPointer
    ) {}
    package func write(_ bytes: UnsafeRawBufferPointer) {}
    package func beginFile(count: Int) {}
    package func endFile() {}
    package func sendEnd(trailers: UnsafeRawBufferPointer) {}
    package func finished(isShort: Bool) {}
    package func breakOff() {}
    package func sendContinue() {}
    package func bodyWasTaken() {}
    package func bodyIsAwaited() {}
}

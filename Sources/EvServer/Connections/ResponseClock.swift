import Glibc
import HTTP1
import HTTPCore

/// The field lines that the server adds to a response: `Date`, written again when the second changes, and `Server`.
struct ResponseClock {
    private static let dateName: StaticString = "Date: "

    private var secondsSinceEpoch = 0
    private let date: UnsafeMutableRawBufferPointer
    private let server: UnsafeMutableRawBufferPointer

    /// Keeps its memory for as long as the process: there is one for each worker.
    /// - Parameter server: the value of the `Server` field; nil sends none.
    init(server value: String?) {
        date = .allocate(byteCount: Self.dateName.utf8CodeUnitCount + HTTPDate.byteCount + 2, alignment: 8)
        date.copyBytes(from: Self.dateName.bytes)
        date[date.count - 2] = UInt8(ascii: "\r")
        date[date.count - 1] = UInt8(ascii: "\n")
        let line = value.map { Array("Server: \($0)\r\n".utf8) } ?? []
        server = .allocate(byteCount: line.count, alignment: 8)
        server.copyBytes(from: line)
    }

    /// The lines as they are now. Valid until the next call.
    /// - Parameter more: lines for one response.
    mutating func lines(
        adding more: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) -> ServerLines {
        let now = time(nil)
        if now != secondsSinceEpoch {
            secondsSinceEpoch = now
            let place = UnsafeMutableRawBufferPointer(rebasing: date[Self.dateName.utf8CodeUnitCount...])
            HTTPDate.write(secondsSinceEpoch: now, into: place)
        }
        return ServerLines(date: UnsafeRawBufferPointer(date), server: UnsafeRawBufferPointer(server), more: more)
    }

    func deallocate() {
        date.deallocate()
        server.deallocate()
    }
}

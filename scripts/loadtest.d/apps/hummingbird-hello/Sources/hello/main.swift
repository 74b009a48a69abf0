// The peer of Examples/hello, with the routes of waiting.py: the same bytes, served by Hummingbird on one event loop
// thread.
//   hello [--http2] PORT
import Glibc
import Hummingbird
import HummingbirdHTTP2
import Logging
import NIOPosix

let port = CommandLine.arguments.last.flatMap { Int($0) } ?? 0
let isHTTP2 = CommandLine.arguments.contains("--http2")

var logger = Logger(label: "hello")
logger.logLevel = .notice

/// The requests that wait for a publish.
actor Waiting {
    private var continuations: [CheckedContinuation<Void, Never>] = []

    func wait() async { await withCheckedContinuation { continuations.append($0) } }

    func publish() {
        let woken = continuations
        continuations = []
        for continuation in woken { continuation.resume() }
    }
}

func text(_ body: String) -> Response {
    Response(
        status: .ok,
        headers: [.contentType: "text/plain; charset=utf-8", .contentLength: "\(body.utf8.count)"],
        body: .init(byteBuffer: ByteBuffer(string: body)))
}

func number<Value: LosslessStringConvertible & Comparable>(
    _ name: String, of request: Request, in range: ClosedRange<Value>
) throws -> Value {
    guard let value = request.uri.queryParameters[name[...]].flatMap({ Value(String($0)) }), range.contains(value)
    else { throw HTTPError(.badRequest, message: "\(name) is missing") }
    return value
}

let waiting = Waiting()
let piece = ByteBuffer(repeating: 0, count: 65536)
let router = Router()
router.get("/") { _, _ in text("Hello, World!") }
router.get("/hold") { request, _ in
    try await Task.sleep(for: .seconds(try number("seconds", of: request, in: 0...1e9)))
    return text("Hello, World!")
}
router.get("/wait") { _, _ in
    await waiting.wait()
    return text("Hello, World!")
}
router.post("/publish") { _, _ in
    await waiting.publish()
    return text("Hello, World!")
}
router.post("/upload") { request, _ in
    var size = 0
    for try await buffer in request.body { size += buffer.readableBytes }
    return text("\(size)\n")
}
router.get("/download") { request, _ in
    let size = try number("bytes", of: request, in: 0...(1 << 30))
    return Response(
        status: .ok, headers: [.contentType: "application/octet-stream", .contentLength: "\(size)"],
        body: .init(contentLength: size) { writer in
            var left = size
            while left > 0 {
                let count = min(left, piece.readableBytes)
                try await writer.write(piece.getSlice(at: 0, length: count) ?? piece)
                left -= count
            }
            try await writer.finish(nil)
        })
}

let app = Application(
    router: router,
    server: isHTTP2 ? .plaintextHTTP2() : .http1(),
    configuration: .init(address: .hostname("127.0.0.1", port: port), serverName: "evgateway"),
    onServerRunning: { channel in
        let line = "Listening at: http://127.0.0.1:\(channel.localAddress?.port ?? 0)\n"
        _ = line.withCString { write(STDOUT_FILENO, $0, strlen($0)) }
    },
    eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup(numberOfThreads: 1)),
    logger: logger)
try await app.runService()

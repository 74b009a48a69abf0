// The peer of Examples/hello: the same routes and the same bytes, served by Hummingbird on one event loop thread.
import Glibc
import Hummingbird
import Logging
import NIOPosix

let port = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1]) ?? 0 : 0

var logger = Logger(label: "hello")
logger.logLevel = .notice

let router = Router()
router.get("/") { _, _ in
    Response(
        status: .ok,
        headers: [.contentType: "text/plain; charset=utf-8", .contentLength: "13"],
        body: .init(byteBuffer: ByteBuffer(string: "Hello, World!")))
}
router.get("/held") { _, _ in
    try await Task.sleep(for: .seconds(60))
    return "done"
}

let app = Application(
    router: router,
    configuration: .init(address: .hostname("127.0.0.1", port: port), serverName: "evgateway"),
    onServerRunning: { channel in
        let line = "Listening at: http://127.0.0.1:\(channel.localAddress?.port ?? 0)\n"
        _ = line.withCString { write(STDOUT_FILENO, $0, strlen($0)) }
    },
    eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup(numberOfThreads: 1)),
    logger: logger)
try await app.runService()

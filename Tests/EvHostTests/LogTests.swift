import EvLoop
import Glibc
import Logging
import Testing

@testable import EvHost

@Suite struct LogTests {
    private let folder = TemporaryFolder()

    private func line(
        _ message: String, level: Logger.Level = .info, metadata: [(key: String, value: String)] = []
    ) -> String {
        var bytes: [UInt8] = []
        LogLine.append(
            stamp: Array("2026-11-21 02:39:00 +0000".utf8), processIdentifier: 4711, level: level, message: message,
            metadata: metadata, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func lineHasGunicornsForm() {
        #expect(line("Listening") == "[2026-11-21 02:39:00 +0000] [4711] [INFO] Listening\n")
        #expect(
            line("x", level: .warning, metadata: [("a", "1"), ("b", "two words")])
                == "[2026-11-21 02:39:00 +0000] [4711] [WARNING] x a=1 b=\"two words\"\n")
    }

    @Test func messageStaysOneLine() {
        let text = line("a\nb\r\u{1B}[31m\u{7F}\u{9B}ü", metadata: [("k", "v\"\nw")])
        #expect(text.hasSuffix(#"a\nb\r\x1b[31m\x7f\x9bü k="v\"\nw""# + "\n"))
        #expect(text.filter { $0.isNewline }.count == 1)
    }

    @Test func loggerWritesItsLevelAndAbove() throws {
        let log = try ErrorLog(path: "\(folder.path)/e.log")
        log.level = .warning
        var logger = log.makeLogger(label: "test")
        logger[metadataKey: "worker"] = "1"
        logger.info("hidden")
        logger.error("shown", metadata: ["b": "2"])
        let text = folder.text("e.log")
        #expect(text.hasSuffix("] [\(getpid())] [ERROR] shown b=2 worker=1\n"))
        #expect(!text.contains("hidden"))
    }

    @Test func reopenedLogGoesOnUnderItsName() throws {
        let log = try ErrorLog(path: "\(folder.path)/e.log")
        let logger = log.makeLogger(label: "test")
        logger.info("first")
        #expect(rename("\(folder.path)/e.log", "\(folder.path)/e.log.1") == 0)
        logger.info("second")
        try log.reopen()
        logger.info("third")
        let (old, new) = (folder.text("e.log.1"), folder.text("e.log"))
        #expect(old.contains("first") && old.contains("second") && !old.contains("third"))
        #expect(new.contains("third") && !new.contains("second"))
    }

    @Test func logThatCannotBeReopenedStaysInItsOldFile() throws {
        let file = try LogFile(path: folder.file("sub/x.log"), standard: STDERR_FILENO)
        #expect(rename("\(folder.path)/sub", "\(folder.path)/moved") == 0)
        #expect(throws: SystemError.self) { try file.reopen() }
        Array("still here\n".utf8).withUnsafeBytes { file.write($0) }
        #expect(folder.text("moved/x.log") == "still here\n")
        #expect(file.lost.count == 0)
    }

    @Test func twoWritersAppend() throws {
        let path = folder.file("x.log", "0\n")
        let (one, two) = (try LogFile(path: path, standard: 1), try LogFile(path: path, standard: 1))
        for (file, text) in [(one, "1\n"), (two, "2\n"), (one, "3\n")] {
            Array(text.utf8).withUnsafeBytes { file.write($0) }
        }
        #expect(folder.text("x.log") == "0\n1\n2\n3\n")
    }

    @Test func fullDiskCountsLostLines() throws {
        let file = try LogFile(path: "/dev/full", standard: STDERR_FILENO)
        for _ in 0..<3 { Array("x\ny\n".utf8).withUnsafeBytes { file.write($0) } }
        #expect(file.lost.count == 6 && file.lost.reason == ENOSPC)
        #expect(file.takeLost().count == 6 && file.lost.count == 0)
    }

    @Test func pathThatCannotBeOpenedThrows() {
        #expect(throws: SystemError.self) { try LogFile(path: "/no/such/folder/x.log", standard: 2) }
        #expect(throws: SystemError.self) { try ErrorLog(path: folder.path) }
    }

    /// A unix socket's queue is short, and whoever reads it may be late.
    @Test func linesAreCountedForACollectorThatReadsLater() throws {
        let path = folder.file("statsd")
        unlink(path)
        let collector = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(collector) }
        let name = try #require(SocketAddress(path: path))
        try #require(name.withBytes { bind(collector, $0, $1) } == 0)
        let log = try ErrorLog(path: folder.file("e.log"))
        let destination = try LogDestination(.unix(path: path, .datagram))
        log.send(to: nil, counting: StatsdSettings(destination: destination, prefix: "", tags: ""))
        let logger = log.makeLogger(label: "test")
        for _ in 0..<2000 { logger.error("x") }
        var counted = 0
        var buffer = [UInt8](repeating: 0, count: 4096)
        repeat {
            while recv(collector, &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0 { counted += 1 }
        } while !log.retry()
        while recv(collector, &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0 { counted += 1 }
        #expect(counted == 2000 && log.takeLostToStatsd().count == 0)
    }

    @Test func standardStreamIsNeitherReopenedNorClosed() throws {
        do {
            let file = try LogFile(path: "-", standard: STDOUT_FILENO)
            try file.reopen()
        }
        #expect(fcntl(STDOUT_FILENO, F_GETFD) >= 0)
    }
}

@testable import EvLoop
import Glibc
import Testing

/// Logs whose reader is slow, stuck or gone: nothing waits, and no line is torn.
@Suite final class LogFileTests {
    private let folder: String

    init() throws {
        // As the server does.
        signal(SIGPIPE, SIG_IGN)
        var template = Array("/tmp/evgateway-log-XXXXXX".utf8CString)
        folder = String(cString: try #require(mkdtemp(&template)))
    }

    deinit {
        unlink("\(folder)/fifo")
        rmdir(folder)
    }

    private func line(_ number: Int) -> String { "\(number) \(String(repeating: "x", count: 90))\n" }

    private func write(_ text: String, to file: LogFile) { Array(text.utf8).withUnsafeBytes { file.write($0) } }

    /// All that can be read without waiting.
    private func read(_ descriptor: Int32) -> String {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return String(decoding: all, as: UTF8.self) }
            all += buffer[..<count]
        }
    }

    @Test func fifoNeedsNoReaderAndKeepsWhatComesBeforeOne() throws {
        let path = "\(folder)/fifo"
        try #require(mkfifo(path, 0o600) == 0)
        let file = try LogFile(path: path, standard: STDOUT_FILENO)
        write("early\n", to: file)
        let reader = open(path, O_RDONLY | O_NONBLOCK)
        write("late\n", to: file)
        #expect(read(reader) == "early\nlate\n")
        close(reader)
        write("without\n", to: file)
        let next = open(path, O_RDONLY | O_NONBLOCK)
        #expect(read(next) == "without\n" && file.lost.count == 0)
        close(next)
    }

    @Test func readerThatIsSlowGetsEveryLineOnceAndInOrder() throws {
        let path = "\(folder)/fifo"
        try #require(mkfifo(path, 0o600) == 0)
        let file = try LogFile(path: path, standard: STDOUT_FILENO)
        let reader = open(path, O_RDONLY | O_NONBLOCK)
        var (seen, expected) = ("", "")
        for number in 0..<4000 {
            write(line(number), to: file)
            expected += line(number)
            if number % 1000 == 999 { seen += read(reader) }
        }
        while !file.retry() { seen += read(reader) }
        seen += read(reader)
        #expect(file.lost.count == 0 && seen == expected)
        close(reader)
    }

    @Test func readerThatIsStuckLosesWholeLinesWhichAreCounted() throws {
        let path = "\(folder)/fifo"
        try #require(mkfifo(path, 0o600) == 0)
        let file = try LogFile(path: path, standard: STDOUT_FILENO)
        let reader = open(path, O_RDONLY | O_NONBLOCK)
        let sent = 30_000
        for number in 0..<sent { write(line(number), to: file) }
        let lost = file.takeLost()
        #expect(lost.count > 0 && lost.reason == EAGAIN)
        var text = read(reader)
        while !file.retry() { text += read(reader) }
        text += read(reader)
        let lines = text.split(separator: "\n")
        #expect(lines.count + lost.count == sent)
        #expect(lines.allSatisfy { $0.hasSuffix(String(repeating: "x", count: 90)) })
        close(reader)
    }

    /// A standard stream that others have too: its description stays blocking, and nothing waits for its reader.
    @Test func standardStreamStaysAsItIsForOthers() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        let file = try LogFile(path: "-", standard: ends[1])
        for number in 0..<3000 { write(line(number), to: file) }
        #expect(fcntl(ends[1], F_GETFL) & O_NONBLOCK == 0)
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        var text = read(ends[0])
        while !file.retry() { text += read(ends[0]) }
        text += read(ends[0])
        let expected = (0..<3000).map(line).joined()
        #expect(text == expected)
        close(ends[0])
        write("nobody\n", to: file)
        let lost = file.takeLost()
        #expect(lost.count == 1 && lost.reason == EPIPE)
        close(ends[1])
    }

    @Test func stuckStreamSocketDoesNotWait() throws {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        let file = try LogFile(path: "-", standard: ends[1])
        for number in 0..<30_000 { write(line(number), to: file) }
        #expect(file.lost.count > 0)
        for end in ends { close(end) }
    }

    @Test func endOfTheProcessWaitsOnlyAMoment() throws {
        let path = "\(folder)/fifo"
        try #require(mkfifo(path, 0o600) == 0)
        let file = try LogFile(path: path, standard: STDOUT_FILENO)
        for number in 0..<2000 { write(line(number), to: file) }
        file.finish(seconds: 0.01)
        #expect(file.lost.count > 0)
    }
}

@Suite struct LineQueueTests {
    private func bytes(_ text: String, _ body: (UnsafeRawBufferPointer) -> Void) {
        Array(text.utf8).withUnsafeBytes(body)
    }

    /// Whatever portions are taken, all lines come out, whole and in order.
    @Test(arguments: [1, 2, 3, 5, 7, 64]) func handsOutWhatWasPutIn(_ portion: Int) {
        var queue = LineQueue()
        var taken: [UInt8] = []
        for number in 0..<50 { bytes("line \(number)\n") { #expect(queue.append($0) == 0) } }
        while !queue.isEmpty {
            #expect(
                queue.drain { piece in
                    let count = min(portion, piece.count)
                    taken += piece[..<count]
                    return count
                } == 0)
        }
        #expect(String(decoding: taken, as: UTF8.self) == (0..<50).map { "line \($0)\n" }.joined())
    }

    @Test func restOfATornLineIsForgotten() {
        var queue = LineQueue()
        bytes("one\ntwo\n") { _ = queue.append($0) }
        var isFirst = true
        #expect(
            queue.drain { _ in
                defer { isFirst = false }; return isFirst ? 2 : -Int(EPIPE)
            } == -Int(EPIPE))
        #expect(queue.removeTornLine() == 1 && queue.removeTornLine() == 0)
        var taken: [UInt8] = []
        _ = queue.drain { piece in
            taken += piece; return piece.count
        }
        #expect(String(decoding: taken, as: UTF8.self) == "two\n")
    }

    @Test func linesBeyondTheLimitAreCounted() {
        var queue = LineQueue()
        let many = String(repeating: "0123456789\n", count: 100_000)
        bytes(many) { #expect(queue.append($0) == 100_000 - LineQueue.limit / 11) }
        bytes("more and more\n") { #expect(queue.append($0) == 1) }
        #expect(queue.removeAll() == LineQueue.limit / 11)
    }
}

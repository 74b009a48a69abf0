// The file that keeps the messages of all workers: one line of JSON for each. Whoever writes locks it, and so knows the
// next id; whoever reads takes the lines that it has not seen. The twin of shared_room.py, which reads the same file.
import EvGateway
import Glibc

struct FileError: Error, CustomStringConvertible {
    let description: String
    init(_ call: String) { description = "\(call): \(String(cString: strerror(errno)))" }
}

@LoopActor
final class SharedFile {
    /// Bytes; then the file begins anew, with the messages that are kept.
    private static let rotated = 8 << 20

    private let path: String
    /// Of the file that has been read, and how far: up to the end of a line.
    private var file: ino_t = 0
    private var position = 0

    init(_ path: String) { self.path = path }

    /// What others have written.
    struct News {
        var messages: [Message] = []
        /// It is another file than the last time: these are all messages.
        var isAll = false
    }

    func read() throws(FileError) -> News {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else {
            if errno == ENOENT { return News() }
            throw FileError("open")
        }
        defer { close(number) }
        var status = stat()
        guard fstat(number, &status) == 0 else { throw FileError("fstat") }
        var news = News(isAll: status.st_ino != file || status.st_size < position)
        let start = news.isAll ? 0 : position
        var bytes = [UInt8](repeating: 0, count: max(0, status.st_size - start))
        var count = 0
        while count < bytes.count {
            let result = bytes.withUnsafeMutableBytes {
                pread(number, $0.baseAddress.map { $0 + count }, $0.count - count, start + count)
            }
            guard result >= 0 else { throw FileError("read") }
            if result == 0 { break }
            count += result
        }
        // The last line of a writer that was killed has no end.
        let whole = bytes[..<count].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        (file, position) = (status.st_ino, start + whole)
        news.messages = bytes[..<whole].split(separator: UInt8(ascii: "\n")).compactMap { Message(Array($0)) }
        return news
    }

    /// Calls with the file locked, and writes the message that it returns; `kept` are those that a new file begins
    /// with.
    func append(_ make: () throws(FileError) -> (message: Message, kept: [Message])) throws(FileError) -> Message {
        // Not of the file itself, which may be replaced. It waits for others that write, which is no time.
        let lock = open(path + ".lock", O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
        guard lock >= 0 else { throw FileError("open") }
        defer { close(lock) }
        guard flock(lock, LOCK_EX) == 0 else { throw FileError("flock") }
        let (message, kept) = try make()
        var status = stat()
        let size = stat(path, &status) == 0 ? status.st_size : 0
        guard size >= Self.rotated else {
            // Behind what a writer has left that was killed.
            let end = size > position ? "\n" : ""
            try write(Array(end.utf8) + message.json + "\n".utf8, to: path, O_APPEND)
            return message
        }
        try write(Array((kept + [message]).map { $0.json + "\n".utf8 }.joined()), to: path + ".new", O_TRUNC)
        guard rename(path + ".new", path) == 0 else { throw FileError("rename") }
        return message
    }

    private func write(_ bytes: [UInt8], to path: String, _ flag: Int32) throws(FileError) {
        let number = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flag, 0o666)
        guard number >= 0 else { throw FileError("open") }
        defer { close(number) }
        guard Glibc.write(number, bytes, bytes.count) == bytes.count else { throw FileError("write") }
    }
}

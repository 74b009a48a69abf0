// Lines that wait until they are taken: bytes in order, up to a bound. Law: what is dropped is whole lines, and is
// counted; a line that was begun is finished or counted, never glued to another.

/// How many lines were lost since this was asked last, and the last reason.
package struct LostLines: Equatable, Sendable {
    package var count = 0
    /// Those that were told already, too.
    package private(set) var ever = 0
    /// An `errno`; 0 where there was none.
    package var reason: Int32 = 0

    package init() {}

    package static func == (one: LostLines, other: LostLines) -> Bool {
        one.count == other.count && one.reason == other.reason
    }

    package mutating func add(_ count: Int, _ reason: Int32) {
        guard count > 0 else { return }
        self.count += count
        ever += count
        self.reason = reason
    }

    /// Returns what was counted, and begins anew.
    package mutating func take() -> LostLines {
        defer { (count, reason) = (0, 0) }
        return self
    }
}

struct LineQueue {
    private var bytes: [UInt8] = []
    private var start = 0
    /// The bytes that were taken last end within a line.
    private(set) var isInsideLine = false
    /// Bytes that may wait.
    static let limit = 1 << 20

    var isEmpty: Bool { start == bytes.count }

    /// Keeps whole lines as far as there is room. Returns how many did not fit.
    mutating func append(_ lines: UnsafeRawBufferPointer) -> Int {
        let room = Self.limit - (bytes.count - start)
        guard lines.count > room else {
            bytes.append(contentsOf: lines)
            return 0
        }
        let fitting = UnsafeRawBufferPointer(rebasing: lines[..<max(room, 0)])
        let kept = fitting.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        bytes.append(contentsOf: lines[..<kept])
        return UnsafeRawBufferPointer(rebasing: lines[kept...]).lineCount
    }

    /// Hands out what waits until `write` takes less than it is given.
    ///
    /// - Parameter write: returns how many bytes it took; a negative number for an error.
    /// - Returns: the error, or 0.
    mutating func drain(_ write: (UnsafeRawBufferPointer) -> Int) -> Int {
        guard !isEmpty else { return 0 }
        var answer = 0
        var start = start
        bytes.withUnsafeBytes { all in
            while start < all.count {
                let piece = UnsafeRawBufferPointer(rebasing: all[start...]).firstLines(within: Self.piece)
                answer = write(piece)
                guard answer > 0 else { return }
                start += answer
            }
        }
        if start > self.start { took(bytes[start - 1]) }
        advance(to: start)
        return min(answer, 0)
    }

    /// Hands out line by line, each without its line feed, until `send` returns false.
    mutating func drainLines(_ send: (UnsafeRawBufferPointer) -> Bool) {
        var start = start
        bytes.withUnsafeBytes { all in
            while start < all.count {
                let rest = UnsafeRawBufferPointer(rebasing: all[start...])
                let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.count
                guard send(UnsafeRawBufferPointer(rebasing: rest[..<end])) else { return }
                start += min(end + 1, rest.count)
            }
        }
        advance(to: start)
    }

    private mutating func advance(to start: Int) {
        self.start = start
        if isEmpty {
            bytes.removeAll(keepingCapacity: bytes.capacity <= 65_536)
            self.start = 0
        } else if start > Self.limit / 2 {
            bytes.removeFirst(start)
            self.start = 0
        }
    }

    /// Bytes that end with this one were taken, past the queue or out of it.
    mutating func took(_ last: UInt8) { isInsideLine = last != UInt8(ascii: "\n") }

    /// Forgets all that waits. Returns how many lines that were.
    mutating func removeAll() -> Int {
        let count = bytes.withUnsafeBytes { UnsafeRawBufferPointer(rebasing: $0[start...]).lineCount }
        bytes = []
        start = 0
        return count
    }

    /// Forgets the rest of a line of which a part was taken, because the next byte goes elsewhere. Returns 1 if there
    /// was one.
    mutating func removeTornLine() -> Int {
        guard isInsideLine else { return 0 }
        isInsideLine = false
        guard !isEmpty else { return 0 }
        start = bytes[start...].firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? bytes.count
        return 1
    }

    /// Bytes that a pipe takes whole or not at all (`PIPE_BUF`), so that lines of several processes do not mix.
    static let piece = 4096
}

extension UnsafeRawBufferPointer {
    /// The whole lines at the beginning that are no longer than `limit` together; of a longer line, as much.
    func firstLines(within limit: Int) -> UnsafeRawBufferPointer {
        guard count > limit else { return self }
        let piece = UnsafeRawBufferPointer(rebasing: self[..<limit])
        guard let end = piece.lastIndex(of: UInt8(ascii: "\n")) else { return piece }
        return UnsafeRawBufferPointer(rebasing: piece[...end])
    }

    var lineCount: Int {
        let ends = reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
        return isEmpty || last == UInt8(ascii: "\n") ? ends : ends + 1
    }
}

// inotify(7) as a watcher of the loop: which entries of folders change. Folders are watched and not files, because an
// editor that saves puts a new file in the place of the old one.

import Glibc

package final class Inotify {
    /// What has happened in a folder.
    package enum Event: Equatable {
        /// An entry was written, renamed, created or removed.
        case changed(folder: Int32, name: String, isFolder: Bool)
        /// The folder is gone, and with it its watch.
        case ended(folder: Int32)
        /// The kernel has dropped events: anything may have changed.
        case overflow
    }

    private static let mask =
        IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR | IN_EXCL_UNLINK

    private let descriptor: Int32
    private var watcher: IOWatcher?

    /// - Throws: `SystemError`, also where the user has no instance left (fs.inotify.max_user_instances).
    package init(_ loop: EventLoop, onEvents: @escaping ([Event]) -> Void) throws(SystemError) {
        let descriptor = inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK))
        guard descriptor >= 0 else { throw SystemError("inotify_init1") }
        self.descriptor = descriptor
        let watcher = IOWatcher(loop, fileDescriptor: descriptor, events: .read) { _ in
            let events = Self.read(descriptor)
            if !events.isEmpty { onEvents(events) }
        }
        watcher.start()
        self.watcher = watcher
    }

    deinit {
        watcher = nil
        close(descriptor)
    }

    /// What adds watches, on any thread, for as long as the object lives.
    package var adder: Adder { Adder(descriptor: descriptor) }

    package struct Adder: Sendable {
        fileprivate let descriptor: Int32

        /// Watches a folder. Returns its number, the same for each name of the folder.
        /// - Throws: `SystemError`; its `errno` is ENOSPC beyond fs.inotify.max_user_watches.
        package func add(_ folder: String) throws(SystemError) -> Int32 {
            let number = inotify_add_watch(descriptor, folder, UInt32(bitPattern: Inotify.mask))
            guard number >= 0 else { throw SystemError("inotify_add_watch") }
            return number
        }
    }

    private static func read(_ descriptor: Int32) -> [Event] {
        var events: [Event] = []
        withUnsafeTemporaryAllocation(byteCount: 32_768, alignment: 8) { buffer in
            while true {
                let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                append(UnsafeRawBufferPointer(rebasing: buffer[..<count]), to: &events)
            }
        }
        return events
    }

    private static func append(_ bytes: UnsafeRawBufferPointer, to events: inout [Event]) {
        let header = MemoryLayout<inotify_event>.size
        var at = 0
        while at + header <= bytes.count {
            let event = bytes.loadUnaligned(fromByteOffset: at, as: inotify_event.self)
            let end = min(at + header + Int(event.len), bytes.count)
            let name = String(decoding: bytes[(at + header)..<end].prefix { $0 != 0 }, as: UTF8.self)
            at = end
            if event.mask & UInt32(IN_Q_OVERFLOW) != 0 {
                events.append(.overflow)
            } else if event.mask & UInt32(IN_IGNORED) != 0 {
                events.append(.ended(folder: event.wd))
            } else if !name.isEmpty {
                let isFolder = event.mask & UInt32(IN_ISDIR) != 0
                events.append(.changed(folder: event.wd, name: name, isFolder: isFolder))
            }
        }
    }
}

// Certificates in the master: read at the start, at a reload, and when their files change. Running workers get the new
// ones through a file in memory that they have inherited, since the keys' own files are not for them; then a byte on
// the control socket tells them to look. A worker in place of that would have to end connections. Law: what cannot be
// used changes nothing.

import EvLoop
import EvServer
import EvSettings
import Glibc
import Logging

final class CertificateKeeper {
    private(set) var material: TLSMaterial?
    /// Made before the workers are forked.
    private(set) var server: TLSServer?
    /// What the workers read; -1 where it cannot be had, or is not needed yet.
    private(set) var descriptor: Int32 = -1
    private var inotify: Inotify?
    private var timer: TimerWatcher?
    /// Of a change that is not complete perhaps.
    private static let quiet = 0.2

    /// The same for as long as the server runs, so that sessions outlive a reload.
    let ticketSecret: [UInt8] = {
        var bytes = [UInt8](repeating: 0, count: 32)
        bytes.withUnsafeMutableBytes { RandomBytes.fill($0) }
        return bytes
    }()

    /// Takes what was read and has been tried out. Nil: TLS is not spoken.
    func take(_ fresh: (material: TLSMaterial, server: TLSServer)?) {
        (material, server) = (fresh?.material, fresh?.server)
        write()
    }

    private func write() {
        guard let material else { return }
        if descriptor < 0 { descriptor = (try? TemporaryFile.openInMemory()) ?? -1 }
        guard descriptor >= 0, ftruncate(descriptor, 0) == 0 else { return }
        let bytes = material.bytes
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress.map { $0 + written }, bytes.count - written, off_t(written))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            written += count
        }
    }

    /// In a process that needs none.
    func forget() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    /// In a worker: what the master has now. Nil where that is not whole; the master then tells once more.
    static func read(_ descriptor: Int32) -> TLSMaterial? {
        FileBytes.read(descriptor).flatMap { TLSMaterial(bytes: $0) }
    }

    /// Watches the files from now on.
    ///
    /// - Parameter onChange: called when files may have changed and nothing more changes for a moment.
    func watch(_ files: CertificateWatch, _ loop: EventLoop, _ logger: Logger, onChange: @escaping () -> Void) {
        stopWatching()
        let timer = TimerWatcher(loop, onChange)
        self.timer = timer
        let numbers = Numbers()
        do throws(SystemError) {
            let inotify = try Inotify(loop) { events in
                if events.contains(where: { numbers.concern($0, files) }) { timer.start(after: Self.quiet) }
            }
            self.inotify = inotify
            for folder in files.folders.keys.sorted() {
                numbers.folders[try inotify.adder.add(folder), default: []].append(folder)
            }
        } catch {
            logger.warning("Changes of certificates are seen at a reload only: \(error)")
        }
    }

    /// The folders by the numbers of their watches.
    private final class Numbers {
        var folders: [Int32: [String]] = [:]

        func concern(_ event: Inotify.Event, _ files: CertificateWatch) -> Bool {
            guard case .changed(let number, let name, _) = event else { return true }
            return folders[number]?.contains { files.concerns(name, in: $0) } ?? true
        }
    }

    /// Also in a child, as long as it has the master's loop.
    func stopWatching() {
        timer?.stop()
        (timer, inotify) = (nil, nil)
    }
}

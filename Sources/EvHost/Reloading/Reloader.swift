// `--reload` in a worker: when files of its app have changed, and nothing more changes for a moment, the master is
// asked to start all workers anew. The worker knows best which modules its app has; the master alone knows all workers.

import EvLoop
import EvSettings
import Logging

@LoopActor
final class Reloader {
    /// Seconds without a change, after which the files are taken to be complete: an editor saves in several steps, and
    /// a checkout writes many files.
    private static let quiet = 0.05
    /// Changes that go on for longer than this are not waited for.
    private static let longestWait = 0.5
    private static let pollInterval = 1.0

    private let files: FileWatch
    private let folder: String
    private let logger: Logger
    private let onChange: () -> Void
    private var inotify: Inotify?
    private var timer: TimerWatcher?
    private var poll: TimerWatcher?
    private var changed: Set<String> = []
    private var first = 0.0

    /// - Parameter onChange: called once for all changes of a moment.
    init(_ loop: EventLoop, _ plan: ReloadPlan, _ logger: Logger, onChange: @escaping () -> Void) {
        self.logger = logger
        self.onChange = onChange
        folder = plan.folder
        // The events come through the object that needs the watch to be made.
        let place = Place()
        inotify = plan.engine == .poll ? nil : Self.makeInotify(loop, plan.engine, logger, place)
        files = FileWatch(plan, inotify?.adder, logger)
        place.reloader = self
        timer = TimerWatcher(loop) { [unowned self] in LoopActor.assumeIsolated { self.settled() } }
        guard inotify == nil else { return }
        let poll = TimerWatcher(loop) { [unowned self] in
            LoopActor.assumeIsolated { self.changed(self.files.poll()) }
        }
        self.poll = poll
        poll.start(after: Self.pollInterval, every: Self.pollInterval)
    }

    private final class Place {
        unowned(unsafe) var reloader: Reloader?
    }

    private static func makeInotify(
        _ loop: EventLoop, _ engine: ReloadEngine, _ logger: Logger, _ place: Place
    ) -> Inotify? {
        do throws(SystemError) {
            return try Inotify(loop) { events in
                LoopActor.assumeIsolated {
                    guard let reloader = place.reloader else { return }
                    reloader.changed(reloader.files.changes(events))
                }
            }
        } catch {
            logger.warning("--reload looks at files once a second, because inotify cannot be had: \(error)")
            return nil
        }
    }

    /// Watches a file that the app is about to read. On any thread.
    nonisolated var watch: @Sendable (String) -> Void {
        let files = files
        return { files.add($0) }
    }

    /// The app cannot be loaded, maybe because a module is missing.
    func appHasFailed() { files.wantModules() }

    private func changed(_ paths: [String]) {
        guard !paths.isEmpty else { return }
        let now = EventLoop.monotonicNow()
        if changed.isEmpty { first = now }
        changed.formUnion(paths)
        timer?.start(after: max(0, min(Self.quiet, first + Self.longestWait - now)))
    }

    private func settled() {
        let names = changed.sorted().map {
            $0.hasPrefix(folder + "/") ? String($0.dropFirst(folder.utf8.count + 1)) : $0
        }
        changed = []
        let more = names.count > 3 ? " and \(names.count - 3) more" : ""
        logger.info("Worker reloading: \(names.prefix(3).joined(separator: ", "))\(more) modified")
        onChange()
    }
}

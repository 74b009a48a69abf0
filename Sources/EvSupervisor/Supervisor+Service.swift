// The master as a service of systemd: what has changed is told once in a turn of the master's loop, and the loop's own
// timer answers the watchdog, so a master that hangs falls silent.
import EvLoop

/// What has been told, and the watchdog's timer.
struct Service {
    let notifier: SystemdNotifier
    var told = ServiceStatus()
    private var timer: TimerWatcher?

    init(_ notifier: SystemdNotifier) { self.notifier = notifier }

    mutating func start(_ loop: EventLoop) {
        guard let period = notifier.watchdogPeriod else { return }
        let notifier = notifier
        let timer = TimerWatcher(loop) { notifier.send([.watchdog]) }
        timer.start(after: period, every: period)
        self.timer = timer
    }

    mutating func stop() {
        timer?.stop()
        timer = nil
    }
}

extension Supervisor {
    /// Tells what has changed since it was called last. The first worker that is ready makes the service ready.
    func tellService() {
        let (now, before) = (ServiceStatus(state), service.told)
        service.told = now
        service.notifier.send(now.messages(after: before))
        if before.phase == .starting, now.phase == .serving || now.phase == .reloading { call(hooks.serving) }
    }

    /// Nobody has listened to this process before it was the main one.
    func tellStatus() { service.notifier.send([.status(service.told.text)]) }

    /// HUP has come. A reload that is refused, too, is one that `tellService` ends with READY.
    func tellReloading() {
        guard service.told.phase == .serving else { return }
        var now = service.told
        now.phase = .reloading
        service.notifier.send(now.messages(after: service.told))
        service.told = now
    }
}

// Two masters that know of each other: the next one tells the former how its workers get on, and holds its end of the
// channel until it serves alone. Only for an upgrade that somebody waits for; after USR2 nobody does.
import EvLoop
import Glibc

struct MasterChannels {
    /// In the former master.
    var next: PacketSocket?
    /// In the next one, until it serves alone.
    var former: PacketSocket?
    /// Whether it has been said how the start has ended.
    var hasReported = false

    /// In a child: without epoll_ctl(2), the loop is shared.
    mutating func close() {
        next?.close()
        former?.close()
        (next, former) = (nil, nil)
    }
}

extension Supervisor {
    // MARK: the former master

    func listen(toNextMasterOn channel: Int32) {
        guard let loop else { return Socket.close(channel) }
        masters.next?.close()
        masters.next = PacketSocket(loop, fileDescriptor: channel) { [unowned self] bytes, descriptor in
            if let descriptor { Socket.close(descriptor) }
            guard let report = NextMasterReport(bytes) else { return }
            reports.append(report)
            self.loop?.stop()
        }
    }

    /// Called between two events, and before the end of the next master is handled.
    func followNextMaster() {
        masters.next?.receive()
        let due = reports
        reports = []
        for report in due { perform(commands.follow(report)) }
    }

    // MARK: the next master

    func openChannel() {
        guard let loop, let channel = handover?.channel else { return }
        masters.former = PacketSocket(loop, fileDescriptor: channel) { _, descriptor in
            if let descriptor { Socket.close(descriptor) }
        }
    }

    /// Says once that every worker is ready. Called between two events.
    func tellFormerMaster() {
        guard let former = masters.former, !masters.hasReported, state.isComplete, !state.isEnding else { return }
        masters.hasReported = true
        former.send(NextMasterReport.ready.bytes)
    }

    func tellFormerMaster(_ notice: Notice, _ failure: String?) {
        guard let former = masters.former, !masters.hasReported, state.hasFormerMaster else { return }
        var report = NextMasterReport.progress(notice.text)
        switch notice {
        case .diedBooting: report = .failed(failure ?? notice.text)
        // With --reload, a worker serves without its app and says why.
        case .ready: if let failure { report = .failed(failure) }
        default: break
        }
        if case .failed = report { masters.hasReported = true }
        former.send(report.bytes)
    }
}

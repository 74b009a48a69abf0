// Upgrade: the next master is started, says when its workers are ready, and then those of this one leave. If it fails,
// this one goes on: until its last worker is gone nothing has been given up.
import Glibc

extension MasterCommands {
    struct Upgrade {
        enum Phase: Equatable {
            case asked
            /// The next master has not said yet that it serves.
            case starting(pid: Int32)
            /// It serves, and the workers of this one leave.
            case leaving(pid: Int32)
            /// This master ends.
            case ending
        }

        var phase = Phase.asked
        /// What the next master has said of its failure.
        var failure: String?
    }

    /// An upgrade has begun and has not failed.
    package var isUpgrading: Bool {
        running.contains { if case .upgrade = $0.work { !$0.isOver } else { false } }
    }

    /// The next master has said something.
    package mutating func follow(_ report: NextMasterReport) -> [Action] {
        forEach { commands, command in
            guard case .upgrade(var upgrade) = command.work, case .starting(let pid) = upgrade.phase else { return }
            switch report {
            case .progress(let text): commands.say("Next master: \(text)", to: command)
            case .failed(let text):
                upgrade.failure = text
                commands.request(.endNextMaster(pid: pid))
            case .ready:
                upgrade.phase = .leaving(pid: pid)
                commands.request(.giveWay)
            }
            command.work = .upgrade(upgrade)
        }
    }

    mutating func follow(
        _ notice: Notice, _ state: SupervisorState, _ upgrade: inout Upgrade, _ command: inout Running
    ) {
        switch (notice, upgrade.phase) {
        case (.masterStarted(let pid), .asked): upgrade.phase = .starting(pid: pid)
        case (.masterNotStarted, .asked), (.masterRefused, .asked): return end(&command, false, notice.text)
        case (.masterEnded, .starting), (.masterEnded, .leaving):
            let reason = upgrade.failure ?? "Its log says why"
            return end(&command, false, "\(notice.text)\n\(reason)")
        case (.masterEnded, .ending):
            return end(&command, false, "\(notice.text.prefix { $0 != ";" }) while this one was leaving: nobody serves")
        default: break
        }
        say(notice, to: command)
    }

    mutating func settle(_ state: SupervisorState, _ upgrade: inout Upgrade, _ command: inout Running) {
        switch upgrade.phase {
        case .asked, .ending: return
        case .starting:
            if state.isEnding { end(&command, false, "This master has been told to end before the next one was ready") }
        case .leaving:
            if state.isEnding {
                upgrade.phase = .ending
            } else if !state.isWithdrawn {
                end(&command, false, "Both masters serve: HUP has brought the workers of this one back")
            } else if state.workers.isEmpty {
                upgrade.phase = .ending
                request(.obey(.stop(now: false)))
            }
        }
    }
}

/// What the next master says to the one that has started it.
package enum NextMasterReport: Equatable {
    case progress(String)
    case ready
    case failed(String)

    var bytes: [UInt8] {
        switch self {
        case .progress(let text): Array("p\(text)".utf8)
        case .ready: [UInt8(ascii: "r")]
        case .failed(let text): Array("f\(text)".utf8)
        }
    }

    init?(_ bytes: UnsafeRawBufferPointer) {
        let text = String(decoding: bytes.dropFirst(), as: UTF8.self)
        switch bytes.first {
        case UInt8(ascii: "p"): self = .progress(text)
        case UInt8(ascii: "r"): self = .ready
        case UInt8(ascii: "f"): self = .failed(text)
        default: return nil
        }
    }
}

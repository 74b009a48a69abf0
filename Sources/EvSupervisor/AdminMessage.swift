// What master and admin process say to each other: fields of text, in one packet. Both are of one program and were
// forked from one process, so the form may change at any time; what cannot be read is ignored.
import EvLoop

/// Something that has happened in the master, as its log has it.
package struct MasterEvent: Equatable, Sendable {
    /// Seconds since 1970.
    package let time: Double
    /// As the log names it: `info`, `warning`, `error`.
    package let level: String
    /// The worker that it is about.
    package let worker: WorkerIdentity?
    package let text: String
    /// Why that worker has ended; nil for everything else.
    package let cause: EndCause?

    package init(time: Double, level: String, worker: WorkerIdentity?, text: String, cause: EndCause? = nil) {
        self.time = time
        self.level = level
        self.worker = worker
        self.text = text
        self.cause = cause
    }
}

/// What somebody asks of the master.
package enum MasterCommand: Equatable, Sendable {
    case reload
    /// - Parameter now: without waiting for requests.
    case stop(now: Bool)
    case scale(Int)
    case upgrade
    case reopenLogs

    /// As it is typed.
    var text: String {
        switch self {
        case .reload: "reload"
        case .stop(let now): now ? "stop --now" : "stop"
        case .scale(let workers): "scale \(workers)"
        case .upgrade: "upgrade"
        case .reopenLogs: "reopen-logs"
        }
    }
}

/// From the master to the admin process.
package enum AdminMessage: Equatable, Sendable {
    /// A worker has been forked. The packet brings the admin process's end of its channel.
    case worker(WorkerIdentity, slot: Int)
    /// A reload has changed where the workers listen.
    case addresses([String])
    case event(MasterEvent)
    /// A step of the command with this number.
    case progress(command: UInt64, String)
    /// The command has been carried out, or could not be: then the text says why.
    case done(command: UInt64, succeeded: Bool, String)
    /// The master ends, and the next one takes its place. The packet brings a socket: when its other end is closed, the
    /// command has been carried out. The admin process closes its end of the channel first, which lets the master end.
    case leaves(command: UInt64, String)
}

/// From the admin process to the master.
package struct AdminRequest: Equatable, Sendable {
    /// Chosen by the sender, who gets it back with the answers.
    package let number: UInt64
    package let command: MasterCommand

    package init(number: UInt64, command: MasterCommand) {
        self.number = number
        self.command = command
    }
}

/// From the admin process to the master: the stack of the thread that a worker's loop is on, also where the loop stands
/// still. It comes in lines as Python's faulthandler writes them, as the steps of a command; that is not done if there
/// is none to be had.
package struct StackRequest: Equatable, Sendable {
    package let number: UInt64
    package let pid: Int32

    package init(number: UInt64, pid: Int32) {
        self.number = number
        self.pid = pid
    }

    package var bytes: [UInt8] { Fields.join(["\(number)", "stacks", "\(pid)"]) }

    package init?(_ bytes: UnsafeRawBufferPointer) {
        let fields = Fields.split(bytes)
        guard fields.count == 3, fields[1] == "stacks", let number = UInt64(fields[0]), let pid = Int32(fields[2])
        else { return nil }
        self.init(number: number, pid: pid)
    }
}

// MARK: as bytes

extension AdminMessage {
    package var bytes: [UInt8] {
        switch self {
        case .worker(let worker, let slot): Fields.join(["worker", "\(slot)"] + worker.fields)
        case .addresses(let addresses): Fields.join(["addresses"] + addresses)
        case .event(let event):
            Fields.join(
                ["event", "\(event.time)", event.level] + (event.worker?.fields ?? ["", "", ""])
                    + [event.cause?.rawValue ?? "", event.text])
        case .progress(let command, let text): Fields.join(["progress", "\(command)", text])
        case .done(let command, let succeeded, let text):
            Fields.join(["done", "\(command)", succeeded ? "1" : "0", text])
        case .leaves(let command, let text): Fields.join(["leaves", "\(command)", text])
        }
    }

    package init?(_ bytes: UnsafeRawBufferPointer) {
        let fields = Fields.split(bytes)
        switch (fields.first, fields.count) {
        case ("worker", 5):
            guard let slot = Int(fields[1]), let worker = WorkerIdentity(fields: fields[2...]) else { return nil }
            self = .worker(worker, slot: slot)
        case ("addresses", _): self = .addresses(Array(fields.dropFirst()))
        case ("event", 8):
            guard let time = Double(fields[1]) else { return nil }
            self = .event(
                MasterEvent(
                    time: time, level: fields[2], worker: WorkerIdentity(fields: fields[3..<6]), text: fields[7],
                    cause: EndCause(rawValue: fields[6])))
        case ("progress", 3):
            guard let command = UInt64(fields[1]) else { return nil }
            self = .progress(command: command, fields[2])
        case ("done", 4):
            guard let command = UInt64(fields[1]) else { return nil }
            self = .done(command: command, succeeded: fields[2] == "1", fields[3])
        case ("leaves", 3):
            guard let command = UInt64(fields[1]) else { return nil }
            self = .leaves(command: command, fields[2])
        default: return nil
        }
    }
}

extension AdminRequest {
    package var bytes: [UInt8] {
        let words: [String] =
            switch command {
            case .reload: ["reload"]
            case .stop(let now): ["stop", now ? "now" : ""]
            case .scale(let workers): ["scale", "\(workers)"]
            case .upgrade: ["upgrade"]
            case .reopenLogs: ["reopen-logs"]
            }
        return Fields.join(["\(number)"] + words)
    }

    package init?(_ bytes: UnsafeRawBufferPointer) {
        let fields = Fields.split(bytes)
        guard fields.count >= 2, let number = UInt64(fields[0]) else { return nil }
        let command: MasterCommand
        switch (fields[1], fields.count) {
        case ("reload", 2): command = .reload
        case ("stop", 3): command = .stop(now: fields[2] == "now")
        case ("scale", 3):
            guard let workers = Int(fields[2]) else { return nil }
            command = .scale(workers)
        case ("upgrade", 2): command = .upgrade
        case ("reopen-logs", 2): command = .reopenLogs
        default: return nil
        }
        self.init(number: number, command: command)
    }
}

extension WorkerIdentity {
    fileprivate var fields: [String] { ["\(index)", "\(age)", "\(pid)"] }

    fileprivate init?(fields: ArraySlice<String>) {
        let numbers = fields.compactMap { Int($0) }
        guard numbers.count == 3, let pid = Int32(exactly: numbers[2]) else { return nil }
        self.init(index: numbers[0], age: numbers[1], pid: pid)
    }
}

/// Texts with a NUL between them, cut so that they fit into a packet.
private enum Fields {
    static func join(_ fields: [String]) -> [UInt8] {
        var bytes: [UInt8] = []
        for (index, field) in fields.enumerated() {
            if index > 0 { bytes.append(0) }
            bytes.append(contentsOf: field.utf8.filter { $0 != 0 })
        }
        return bytes.count <= PacketSocket.largest ? bytes : Array(bytes[..<PacketSocket.largest])
    }

    static func split(_ bytes: UnsafeRawBufferPointer) -> [String] {
        bytes.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    }
}

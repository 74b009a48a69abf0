// What an app says with its answer: that the request is to be held, on which channels, and how. Law: a value, as
// Pushpin reads it (https://pushpin.org/docs/protocols/grip/), with bounds on everything that an app can name.

package enum HoldMode: UInt8, Sendable, Equatable {
    /// The first message on a channel is the answer: long polling.
    case response
    /// The answer begins, and each message is a part of it.
    case stream
}

/// A channel that a hold listens on.
package struct Channel: Equatable, Sendable {
    package var name: [UInt8]
    /// The id of the last message of which the app's answer knows.
    package var previousID: [UInt8]?
    package var filters: [Filter] = []

    package init(name: [UInt8], previousID: [UInt8]? = nil, filters: [Filter] = []) {
        self.name = name
        self.previousID = previousID
        self.filters = filters
    }
}

/// What is sent to a stream in which nothing else is.
package struct KeepAlive: Equatable, Sendable {
    package enum Mode: UInt8, Sendable, Equatable {
        /// The time starts anew with each message.
        case idle
        case interval
    }

    package var data: [UInt8]
    /// Seconds, 1 or more.
    package var timeout: Int
    package var mode: Mode

    package init(data: [UInt8], timeout: Int, mode: Mode) {
        self.data = data
        self.timeout = timeout
        self.mode = mode
    }
}

package struct NextLink: Equatable, Sendable {
    /// A URL, absolute or relative to that of the request.
    package var target: [UInt8]
    /// Seconds until it is asked when no message comes.
    package var timeout: Int

    package init(target: [UInt8], timeout: Int) {
        self.target = target
        self.timeout = timeout
    }
}

/// The answer that an instruction in JSON carries.
package struct InstructedResponse: Equatable, Sendable {
    package var code = 200
    /// Empty for the registered phrase of the code.
    package var reason: [UInt8] = []
    package var fields: [Field] = []
    package var body: [UInt8] = []

    package init() {}
}

package struct Instruction: Equatable, Sendable {
    /// Nil: the answer is sent as it is, without GRIP's fields.
    package var hold: HoldMode?
    package var channels: [Channel] = []
    /// Seconds until a long poll is answered with what the app has answered.
    package var timeout = Instruction.defaultTimeout
    package var keepAlive: KeepAlive?
    /// Of the subscription.
    package var meta: Meta = []
    /// Names of fields that clients may see; empty for all.
    package var exposed: [[UInt8]] = []
    package var next: NextLink?
    /// A URL that is told when the client has left.
    package var gone: [UInt8]?
    /// The status of Grip-Status, in place of the answer's own.
    package var status: Status?
    /// The answer's body is an instruction in JSON, still to be read by ``read(json:)``.
    package var awaitsJSON = false
    /// What is to be answered in place of the app's own answer; only of an instruction in JSON.
    package var response: InstructedResponse?

    package struct Status: Equatable, Sendable {
        package var code: Int
        /// Empty for the registered phrase of the code.
        package var reason: [UInt8]

        package init(code: Int, reason: [UInt8] = []) {
            self.code = code
            self.reason = reason
        }
    }

    /// Seconds, as in Pushpin.
    package static let defaultTimeout = 55
    static let minimumTimeout = 5
    static let defaultKeepAlive = 55
    static let defaultNext = 120

    package init() {}

    /// Seconds that an app has given for `what`.
    static func seconds(_ text: [UInt8], unreadable: String, invalid: String) throws(GRIPError) -> Int {
        guard let seconds = integer(text) else { throw GRIPError(unreadable) }
        guard Limits.seconds.contains(seconds) else { throw GRIPError(invalid) }
        return seconds
    }

    mutating func append(_ channel: Channel) throws(GRIPError) {
        guard channels.count < Limits.channels else { throw GRIPError("more than \(Limits.channels) channels") }
        // Twice the same: Pushpin keeps the last.
        if let index = channels.firstIndex(where: { $0.name == channel.name }) {
            channels[index] = channel
        } else {
            channels.append(channel)
        }
    }

    /// What counts for both forms, once all is read. A hold without a channel is one: it ends in time.
    mutating func settle() {
        timeout = max(timeout, Self.minimumTimeout)
        if let seconds = keepAlive?.timeout { keepAlive?.timeout = max(seconds, 1) }
    }
}

// What each number in a worker's report means. Counters only grow and outlive the worker, as sums over all workers that
// there have been; gauges say what is now, and end with the worker. Both sides are forked from one program, so the
// order may change at any time.

package enum Counter {
    // Computed, so that they are numbers in the code and not variables of another module. The ranges leave room.

    // MARK: histograms, in seconds, of as many numbers as `SharedHistogram` says

    /// From the turn of the loop that has brought the end of a head to the end of the response.
    package static var duration: Int { 0 }
    /// From there to the first line of the app.
    package static var queueing: Int { 20 }
    /// How late the timer of the heartbeat was.
    package static var lag: Int { 40 }

    // MARK: ranges, by the raw values of what is named

    /// Answers: 0 for none, else the first digit of the status.
    package static var responses: Int { 60 }
    package static var refusals: Int { 70 }
    package static var disconnects: Int { 90 }

    // MARK: the bus, in messages but for the last

    package static var busPublished: Int { 100 }
    /// Once for each process that it was sent to.
    package static var busSent: Int { 101 }
    package static var busReceived: Int { 102 }
    /// Once for each subscriber.
    package static var busDelivered: Int { 103 }
    /// Not sent, because a receiver was too slow; and not received, for any reason.
    package static var busDropped: Int { 104 }
    package static var busLost: Int { 105 }
    package static var busGaps: Int { 106 }
    /// Not taken by a subscription of the app, which was full.
    package static var busNoRoom: Int { 107 }

    // MARK: counters

    package static var accepted: Int { 110 }
    package static var bytesReceived: Int { 111 }
    package static var bytesSent: Int { 112 }
    /// Requests that were given up at their deadline.
    package static var overdue: Int { 113 }
    /// Requests whose client left before the app was called.
    package static var dropped: Int { 114 }
    /// Connections that were closed because their peer read nothing.
    package static var writeTimeouts: Int { 115 }
    package static var healthChecks: Int { 116 }
    package static var messagesReceived: Int { 117 }
    package static var messagesSent: Int { 118 }
    /// Lines of logs that were not written.
    package static var lostLines: Int { 119 }
    /// Nanoseconds in which the loop did not wait.
    package static var busy: Int { 120 }
    /// Connections that have been given to another process, and that have come from one.
    package static var movedOut: Int { 121 }
    package static var movedIn: Int { 122 }
    /// Of `movedOut`, with a request that belongs to another worker.
    package static var movedToOwner: Int { 123 }
    /// Keys of `--sticky` that responses have named, and those that had to make room.
    package static var keysLearned: Int { 127 }
    package static var keysReplaced: Int { 128 }

    /// Messages to holds and sockets that listen on a channel, and those that could not be sent to one.
    package static var itemsDelivered: Int { 124 }
    package static var itemsLost: Int { 125 }
    /// Messages on channels that somebody here listens on.
    package static var itemsReceived: Int { 126 }

    // MARK: gauges, as of the last sign of life but for `parked`

    /// The first of them.
    package static var gauges: Int { 130 }
    /// By ``ConnectionState``.
    package static var connections: Int { gauges }
    /// Requests without a task, which wait for a condition.
    package static var parked: Int { 140 }
    package static var poolThreads: Int { 141 }
    package static var poolBusy: Int { 142 }
    package static var poolQueued: Int { 143 }
    /// Nanoseconds: the longest time of the last minute or two in which the loop served nobody else.
    package static var longestLag: Int { 144 }
    /// Requests that are held as long polls, and as streams, and the channels that they listen on.
    package static var heldResponses: Int { 145 }
    package static var heldStreams: Int { 146 }
    package static var heldChannels: Int { 147 }
    package static var busChannels: Int { 150 }
    /// Bytes that wait for processes that do not read.
    package static var busOutbox: Int { 151 }
}

/// Why a request is answered without the app.
package enum Refusal: Int, CaseIterable, Sendable {
    case malformed, targetTooLong, headTooLarge, version, notImplemented, expectation, headTimeout
    case bodyMalformed, bodyTooLarge, bodyTimeout
    case forwarded, proxyHeader, webSocket
    /// There is no place among `--connections`.
    case full
    /// The time of a worker that leaves is over.
    case leaving

    /// Of a head that cannot be served.
    init(status: Int) {
        self =
            switch status {
            case 408: .headTimeout
            case 414: .targetTooLong
            case 417: .expectation
            case 431: .headTooLarge
            case 501: .notImplemented
            case 505: .version
            default: .malformed
            }
    }
}

/// Where a request was when its client left.
package enum DisconnectPhase: Int, CaseIterable, Sendable {
    case head, body, app, response
    /// Between two requests, or before the first.
    case idle
    /// A WebSocket that was lost, without a close handshake.
    case webSocket
}

/// What a connection does.
package enum ConnectionState: Int, CaseIterable, Sendable {
    case reading, body, idle, active, webSocket, closing
}

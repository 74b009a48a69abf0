// The last of what has happened in a master: kept there, for an admin process that starts later, and in the admin
// process.

package struct MasterHistory: Equatable, Sendable {
    /// The newest last.
    package private(set) var events: [MasterEvent] = []
    /// The ends of workers among them; they are kept for longer.
    package private(set) var restarts: [MasterEvent] = []

    /// As many of each are kept.
    private static let most = 64

    package init() {}

    package mutating func append(_ event: MasterEvent) {
        Self.append(event, to: &events)
        if event.cause != nil { Self.append(event, to: &restarts) }
    }

    private static func append(_ event: MasterEvent, to list: inout [MasterEvent]) {
        list.append(event)
        if list.count > most { list.removeFirst() }
    }
}

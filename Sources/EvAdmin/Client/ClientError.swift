// Why a command did not get its answer.

package struct ClientError: Error, Equatable, CustomStringConvertible {
    package enum Kind: Sendable {
        /// No server was found, or it cannot be reached.
        case unreachable
        /// A server has answered, but not with what was asked for.
        case failed
    }

    package let kind: Kind
    /// One sentence without a full stop, with further lines where there is more to say. It is printable.
    package let reason: String

    package init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        self.reason = reason
    }

    package var description: String { reason }
}

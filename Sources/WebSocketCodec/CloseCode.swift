// Why a WebSocket ends, as a number of two bytes in the close frame (RFC 6455 section 7.4, and IANA's registry).

package struct CloseCode: RawRepresentable, Equatable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let normal = CloseCode(rawValue: 1000)
    package static let goingAway = CloseCode(rawValue: 1001)
    package static let protocolError = CloseCode(rawValue: 1002)
    /// The close frame had no code. Never sent.
    package static let noStatus = CloseCode(rawValue: 1005)
    /// The connection ended without a close frame. Never sent.
    package static let abnormal = CloseCode(rawValue: 1006)
    /// A text that is not UTF-8, or data that cannot be inflated.
    package static let invalidPayload = CloseCode(rawValue: 1007)
    package static let policyViolation = CloseCode(rawValue: 1008)
    package static let messageTooBig = CloseCode(rawValue: 1009)
    package static let internalError = CloseCode(rawValue: 1011)
    package static let serviceRestart = CloseCode(rawValue: 1012)
    package static let tryAgainLater = CloseCode(rawValue: 1013)

    /// It may stand in a close frame.
    package var isSendable: Bool {
        switch rawValue {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}

/// What a peer has done against RFC 6455: the close frame says the code, and the log says why.
package struct Violation: Error, Equatable, CustomStringConvertible {
    package let code: CloseCode
    package let detail: StaticString

    package init(_ code: CloseCode, _ detail: StaticString) {
        self.code = code
        self.detail = detail
    }

    package var description: String { "\(detail) (\(code.rawValue))" }

    package static func == (left: Violation, right: Violation) -> Bool {
        left.code == right.code && left.description == right.description
    }
}

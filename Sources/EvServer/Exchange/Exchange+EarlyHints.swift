// Interim responses that an app sends before its response.

import EvLoop
import HTTPCore

extension Exchange {
    /// Sends a 103 (RFC 8297), unless the response has begun, or the client has left, or speaks HTTP/1.0, to which no
    /// interim response goes (RFC 9110 section 15.2).
    ///
    /// - Parameter lines: checked field lines, each with its CRLF.
    package func hint(_ lines: UnsafeRawBufferPointer) {
        guard !headWasSent, !lines.isEmpty, head.version != .http10 else { return }
        carrier.sendEarlyHints(lines)
    }
}

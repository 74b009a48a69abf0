// What the code of a worker does now, as values: a stack for each greenlet, task or thread, and the request that it
// serves. Law: bounded, and what was cut is said.

package import EvServer
import EvSupervisor

/// One piece of code that runs or waits.
package struct CodeStack: Sendable {
    package enum Kind: String, Sendable {
        case greenlet, task, thread
        /// A request for which no code of these kinds could be found: one of a Swift app, or one that waits.
        case request
    }

    package let kind: Kind
    /// What the app calls it; empty for no name.
    package let name: String
    /// The request that it serves, if it serves one.
    package let request: RequestSummary?
    /// `Exchange.identity` of that request.
    package let exchange: Int?
    /// The outermost first, as in a traceback: `File "app.py", line 7, in view`, and the line of the source, indented,
    /// behind a line feed. Neither holds another control character. A sentence stands for frames that were left out.
    package let frames: [String]

    package init(
        kind: Kind, name: String = "", request: RequestSummary? = nil, exchange: Int? = nil, frames: [String] = []
    ) {
        self.kind = kind
        self.name = name
        self.request = request
        self.exchange = exchange
        self.frames = frames
    }

    /// As lines of a log, each with its end: those of a traceback. Nothing in them can look like an entry of the log.
    package var text: String {
        var text = ""
        for frame in frames {
            for line in frame.split(separator: "\n", maxSplits: 1) { text += "  \(escapingLine(line))\n" }
        }
        return text
    }
}

/// All that could be found.
package struct CodeStacks: Sendable {
    package var stacks: [CodeStack]
    /// How many there are beside those.
    package var leftOut: Int

    package init(_ stacks: [CodeStack] = [], leftOut: Int = 0) {
        self.stacks = stacks
        self.leftOut = leftOut
    }
}

extension RequestSummary {
    /// `"GET /report" of 192.0.2.1, for 12.3 s, in the app`.
    package var text: String {
        let who = client.isEmpty ? "a Unix socket" : escapingText(client)
        return "\"\(escapingText(method)) \(escapingText(path))\" of \(who), for \(tenths(age)) s, \(state.phrase)"
    }

    private func tenths(_ seconds: Double) -> String {
        let tenths = seconds.isFinite ? Int(min(max(seconds, 0), 1e9) * 10) : 0
        return "\(tenths / 10).\(tenths % 10)"
    }
}

private func escapingText(_ text: String) -> String { escapingControls(text, separators: true) }
private func escapingLine(_ text: Substring) -> String {
    escapingControls(String(text), quotes: false, separators: true)
}

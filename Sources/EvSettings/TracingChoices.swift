/// `--new-traces`: what the `traceparent` says of a request that came without one.
package enum NewTraces: String, CaseIterable, Sendable {
    case sampled
    case unsampled
    /// There is none.
    case none
}

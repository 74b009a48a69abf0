// What the operator says of ids.

package struct TracingConfiguration: Sendable {
    /// The field of a request's id, as it is to be written.
    package var name = "X-Request-ID"
    package var newTraces = NewTraces.sampled

    /// What a `traceparent` says that is made here.
    package enum NewTraces: Sendable {
        /// The app records the trace, unless it decides by itself.
        case sampled
        case unsampled
        /// None is made.
        case none
    }

    package init() {}
}

package import EvLoop

/// By what a request belongs to one of the workers.
package enum StickyRule: Sendable, Equatable {
    /// The client's address, as trusted proxies tell it.
    case address
    /// A cookie of the server's own, which names a worker.
    case ownCookie
    /// What the app has given the client, and what comes back: the value of a cookie, of a parameter of the query, of
    /// a field.
    case cookie(String)
    case query(String)
    case header(String)
}

package struct StickyConfiguration: Sendable {
    package var rule: StickyRule
    /// Made before the fork.
    package var owners: OwnerTable

    package init(_ rule: StickyRule, owners: OwnerTable) {
        (self.rule, self.owners) = (rule, owners)
    }
}

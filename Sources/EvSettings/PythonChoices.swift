// The values of the options about Python apps that are chosen from a list.

/// `--interface`: how a Python callable is called.
package enum AppInterface: String, CaseIterable, Sendable {
    /// Decided by looking at the callable.
    case auto
    case wsgi
    case asgi

    /// The name as messages show it: `WSGI`, `ASGI`.
    package var name: String { rawValue.uppercased() }
}

/// `--lifespan`: whether an ASGI app gets lifespan events when a worker starts and ends.
package enum Lifespan: String, CaseIterable, Sendable {
    /// It gets them; an app that does not support them is served nevertheless.
    case auto
    /// It gets them; an app that does not support them fails to load.
    case on
    case off
}

/// `--asgi-loop`: the event loop that drives ASGI apps.
package enum ASGILoop: String, CaseIterable, Sendable {
    /// uvloop if it can be imported, else asyncio.
    case auto
    case asyncio
    case uvloop
}

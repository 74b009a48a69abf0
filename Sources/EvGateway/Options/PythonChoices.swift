// Words that options about Python apps take.

/// `--interface`: how a Python callable is called.
package enum AppInterface: String, CaseIterable, Sendable {
    /// As what it looks like.
    case auto
    case wsgi
    case asgi

    /// As people write it.
    package var name: String { rawValue.uppercased() }
}

/// `--lifespan`: whether an ASGI app is told of the worker's beginning and end.
package enum Lifespan: String, CaseIterable, Sendable {
    /// It is, and an app that does not understand that is served all the same.
    case auto
    /// It is, and must understand.
    case on
    case off
}

/// `--asgi-loop`: the event loop that drives ASGI apps.
package enum ASGILoop: String, CaseIterable, Sendable {
    /// uvloop when it can be imported, else asyncio's own.
    case auto
    case asyncio
    case uvloop
}

// Worker classes: what exists, what gunicorn has besides, and which app goes with which.

/// How a worker calls its app.
package enum WorkerClass: String, CaseIterable, Sendable {
    /// The host chooses by what the app is.
    case auto
    /// A WSGI callable on the loop's thread.
    case inline
    /// A WSGI callable on a pool of Python threads.
    case threads
    /// A WSGI callable, a greenlet per request, the loop as a guest of gevent's hub.
    case gevent
    /// An ASGI callable, the loop as a guest of asyncio.
    case asgi
    /// A Swift handler.
    case swift

    /// Reads `--worker-class`.
    package init(parsing text: String) throws(ConfigurationError) {
        if let known = WorkerClass(rawValue: text) {
            self = known
            return
        }
        let problem = Self.isKnownElsewhere(text) ? "is not available in this version" : "is not a worker class"
        throw ConfigurationError("--worker-class", reason: "'\(text)' \(problem): choose auto, inline or swift")
    }

    /// Names that configurations of gunicorn carry, dotted paths and egg references among them.
    private static func isKnownElsewhere(_ text: String) -> Bool {
        let names: Set = [
            "sync", "gthread", "gevent", "gevent_wsgi", "gevent_pywsgi", "tornado", "asgi", "eventlet", "threads",
        ]
        return names.contains(text) || text.contains(".") || text.hasPrefix("egg:")
    }

    /// The class that serves an app of `kind`, or why the one asked for cannot.
    package func resolved(for kind: AppKind) throws(ConfigurationError) -> WorkerClass {
        switch (self, kind) {
        case (.auto, .python), (.inline, .python): return .inline
        case (.auto, .swift), (.swift, .swift): return .swift
        case (.threads, .python), (.gevent, .python), (.asgi, .python): return self
        case (.threads, .swift), (.gevent, .swift), (.asgi, .swift):
            throw ConfigurationError("--worker-class", reason: "'\(rawValue)' is for Python apps; this one is Swift")
        case (.swift, .python):
            throw ConfigurationError("--worker-class", reason: "'swift' is for Swift apps; this one is Python")
        case (.inline, .swift):
            throw ConfigurationError("--worker-class", reason: "'inline' is for Python apps; this one is Swift")
        }
    }
}

/// The language of an app.
package enum AppKind: Equatable, Sendable {
    case python
    case swift
}

// Worker classes: which there are, their names in gunicorn, and which apps each can serve.

/// How a worker calls its app.
package enum WorkerClass: String, CaseIterable, Sendable {
    /// The host chooses, depending on the app.
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

    package init(parsing text: String) throws(ValueError) {
        if let known = WorkerClass(rawValue: text) ?? Self.gunicornNames[text] {
            self = known
        } else if Self.syncNames.contains(text) {
            self = .threads
        } else {
            throw ValueError(Self.refusal(of: text))
        }
    }

    /// What gunicorn calls `sync` serves one request at a time: on one thread, so that the loop goes on turning
    /// meanwhile.
    static func isSync(_ text: String) -> Bool { syncNames.contains(text) }

    /// uvicorn evaluates what proxies say of the client, and gunicorn does not.
    static func isUvicorn(_ text: String) -> Bool {
        text.hasPrefix("uvicorn.workers.") || text.hasPrefix("uvicorn_worker.")
    }

    private static let syncNames: Set = ["sync", "egg:gunicorn#sync", "gunicorn.workers.sync.SyncWorker"]

    /// Names that gunicorn's configurations use, also as dotted paths and egg references.
    private static let gunicornNames: [String: WorkerClass] = [
        "gthread": .threads, "egg:gunicorn#gthread": .threads, "gunicorn.workers.gthread.ThreadWorker": .threads,
        "gevent_wsgi": .gevent, "gevent_pywsgi": .gevent, "egg:gunicorn#gevent": .gevent,
        "gunicorn.workers.ggevent.GeventWorker": .gevent, "gunicorn.workers.ggevent.GeventPyWSGIWorker": .gevent,
        "geventwebsocket.gunicorn.workers.GeventWebSocketWorker": .gevent,
        "gunicorn.workers.gasgi.ASGIWorker": .asgi,
        "uvicorn.workers.UvicornWorker": .asgi, "uvicorn.workers.UvicornH11Worker": .asgi,
        "uvicorn_worker.UvicornWorker": .asgi, "uvicorn_worker.UvicornH11Worker": .asgi,
    ]

    /// The error for an unknown class: names the class here that can serve its apps, if one is known.
    private static func refusal(of text: String) -> String {
        let name = text.lowercased()
        let instead =
            if name.contains(substring: "eventlet") {
                "use gevent"
            } else if name == "asyncio" || name == "uvloop" {
                // hypercorn's.
                "use asgi, and --asgi-loop \(name)"
            } else if name == "trio" {
                "use asgi, for an app of asyncio"
            } else if name.contains(substring: "tornado") {
                "use asgi for an ASGI app, threads for a WSGI app"
            } else if name.contains(substring: "meinheld") || name.contains(substring: "bjoern") {
                "use inline, or gevent for long requests"
            } else if name.contains(substring: "uvicorn") || name.contains(substring: "aiohttp")
                || name.contains(substring: "hypercorn")
            {
                "use asgi"
            } else if name.contains(".") || name.hasPrefix("egg:") {
                "use auto, inline, threads, gevent, asgi or swift"
            } else {
                ""
            }
        return instead.isEmpty
            ? "'\(text)' is not a worker class: choose auto, inline, threads, gevent, asgi or swift"
            : "'\(text)' is not available: \(instead)"
    }

    /// Refuses an `--interface` that the class cannot call.
    func check(_ interface: AppInterface) throws(ValueError) {
        let called: AppInterface =
            switch self {
            case .auto: .auto
            case .inline, .threads, .gevent: .wsgi
            case .asgi: .asgi
            case .swift: .auto
            }
        guard called == .auto || interface == .auto || called == interface else {
            throw ValueError(
                "worker class '\(rawValue)' calls \(called.name) apps, not \(interface.name)")
        }
    }

    /// The class that serves an app of `kind`; throws if the class that was asked for cannot.
    package func resolved(for kind: AppKind) throws(ValueError) -> WorkerClass {
        switch (self, kind) {
        case (.auto, .swift), (.swift, .swift): return .swift
        // What `auto` means depends on the Python app; the host finds out.
        case (.auto, .python), (.inline, .python), (.threads, .python), (.gevent, .python), (.asgi, .python):
            return self
        case (.threads, .swift), (.gevent, .swift), (.asgi, .swift):
            throw ValueError("'\(rawValue)' is for Python apps; this one is Swift")
        case (.swift, .python):
            throw ValueError("'swift' is for Swift apps; this one is Python")
        case (.inline, .swift):
            throw ValueError("'inline' is for Python apps; this one is Swift")
        }
    }
}

/// The language of an app.
package enum AppKind: Equatable, Sendable {
    case python
    case swift
}

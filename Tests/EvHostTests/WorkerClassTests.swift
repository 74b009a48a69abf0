import EvHost
import EvSettings
import Testing

@Suite struct WorkerClassTests {
    @Test(
        arguments: [
            ("auto", .auto), ("inline", .inline), ("threads", .threads), ("gevent", .gevent), ("asgi", .asgi),
            ("sync", .threads), ("gthread", .threads), ("gevent_wsgi", .gevent), ("gevent_pywsgi", .gevent),
            ("gunicorn.workers.ggevent.GeventWorker", .gevent), ("egg:gunicorn#gevent", .gevent),
            ("geventwebsocket.gunicorn.workers.GeventWebSocketWorker", .gevent),
            ("uvicorn.workers.UvicornWorker", .asgi), ("uvicorn.workers.UvicornH11Worker", .asgi),
            ("uvicorn_worker.UvicornWorker", .asgi), ("uvicorn_worker.UvicornH11Worker", .asgi),
        ] as [(String, WorkerClass)])
    func namesOfGunicornAreUnderstood(_ name: String, _ expected: WorkerClass) throws {
        #expect(try configuration(["-k", name, "app"]).workerClass == expected)
    }

    @Test(arguments: [
        ("eventlet", "use gevent"), ("egg:gunicorn#eventlet", "use gevent"),
        ("tornado", "use asgi for an ASGI app, threads for a WSGI app"),
        ("egg:meinheld#gunicorn_worker", "use inline, or gevent for long requests"),
        ("aiohttp.GunicornWebWorker", "use asgi"),
        ("some.other.Worker", "use auto, inline, threads, gevent, asgi or swift"),
    ])
    func classThatIsNotHereIsRefusedWithWhatToUse(_ name: String, _ instead: String) {
        #expect(failure(["-k", name, "app"]) == "--worker-class: '\(name)' is not available: \(instead)")
    }

    @Test func syncIsOneThreadUnlessThreadsAreAskedForAsInGunicorn() throws {
        #expect(try configuration(["-k", "sync", "--threads", "4", "app"]).threads == 4)
        #expect(try configuration(["-k", "sync", "app"]).threads == 1)
        #expect(try configuration(["-k", "inline", "--threads", "4", "app"]).workerClass == .inline)
        #expect(try configuration(["-k", "gthread", "app"]).threads == 8)
    }

    @Test func optionsOfPythonAppsAreRead() throws {
        let plain = try configuration(["app"])
        #expect(plain.threads == 8 && plain.interface == .auto && plain.lifespan == .auto && plain.asgiLoop == .auto)
        #expect(plain.monkeyPatch && !plain.streamRequestBody && !plain.cancelOnDisconnect && plain.rootPath.isEmpty)
        let given = try configuration([
            "--threads", "3", "--interface", "asgi", "--lifespan", "off", "--asgi-loop", "uvloop", "--root-path",
            "/shop/", "--no-monkey-patch", "--stream-request-body", "--cancel-on-disconnect", "--request-timeout",
            "2.5", "app",
        ])
        #expect(given.threads == 3 && given.interface == .asgi && given.lifespan == .off && given.asgiLoop == .uvloop)
        #expect(!given.monkeyPatch && given.streamRequestBody && given.cancelOnDisconnect)
        #expect(given.rootPath == "/shop" && given.requestTimeout == 2.5)
    }

    @Test(arguments: [
        (["--threads", "0"], "--threads: '0' is not a whole number of 1 or more"),
        (["--interface", "rsgi"], "--interface: 'rsgi' is unknown: choose auto, wsgi or asgi"),
        (["--lifespan", "maybe"], "--lifespan: 'maybe' is unknown: choose auto, on or off"),
        (["--asgi-loop", "trio"], "--asgi-loop: 'trio' is unknown: choose auto, asyncio or uvloop"),
        (["--root-path", "shop"], "--root-path: 'shop' does not begin with '/'"),
        (["-k", "asgi", "--interface", "wsgi"], "--interface: worker class 'asgi' calls ASGI apps, not WSGI"),
        (["-k", "gthread", "--interface", "asgi"], "--interface: worker class 'threads' calls WSGI apps, not ASGI"),
    ])
    func wrongValueIsOneLine(_ words: [String], _ expected: String) {
        #expect(failure(words + ["app"]) == expected)
    }

    @Test func workerClassGoesWithTheKindOfApp() throws {
        #expect(try WorkerClass.auto.resolved(for: .python) == .auto)
        #expect(try WorkerClass.auto.resolved(for: .swift) == .swift)
        #expect(throws: ValueError.self) { try WorkerClass.swift.resolved(for: .python) }
        #expect(throws: ValueError.self) { try WorkerClass.inline.resolved(for: .swift) }
    }
}

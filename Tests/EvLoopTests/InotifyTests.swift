import EvLoop
import EvTestSupport
import Glibc
import Testing

@Suite(.prefersLoop) struct InotifyTests {
    @Test @LoopActor func tellsOfEntriesAndOfTheEndOfAFolder() async throws {
        var template = Array("/tmp/evgateway-inotify-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { rmdir(folder) }
        var seen: [Inotify.Event] = []
        var told: CheckedContinuation<Void, Never>?
        let inotify = try Inotify(SharedLoop.current) { events in
            seen += events
            told?.resume()
            told = nil
        }
        let number = try inotify.adder.add(folder)
        #expect(try inotify.adder.add(folder + "/.") == number)
        #expect(throws: SystemError.self) { try inotify.adder.add(folder + "/nowhere") }

        func next(_ event: Inotify.Event) async {
            while !seen.contains(event) { await withCheckedContinuation { told = $0 } }
            seen = []
        }
        let file = Inotify.Event.changed(folder: number, name: "a", isFolder: false)
        close(open(folder + "/a", O_WRONLY | O_CREAT, 0o600))
        await next(file)
        rename(folder + "/a", folder + "/b")
        await next(file)
        unlink(folder + "/b")
        await next(.changed(folder: number, name: "b", isFolder: false))
        mkdir(folder + "/below", 0o700)
        await next(.changed(folder: number, name: "below", isFolder: true))
        rmdir(folder + "/below")
        rmdir(folder)
        await next(.ended(folder: number))
    }
}

import EvLoop
import EvServer
import EvTestSupport
import Glibc
import Logging
import Synchronization
import Testing

/// Where large request bodies go, and what is said when they cannot.
@Suite struct SpoolTests {
    private let lines = Lines()

    init() { SharedLoop.ensure() }

    @LoopActor private func spool(
        _ folders: [String], reported: Set<String> = [], perBody: Int = 1 << 20, perWorker: Int = 1 << 20
    ) -> Spool {
        var configuration = SpoolConfiguration()
        configuration.folders = folders
        configuration.reported = reported
        configuration.memoryPerBody = perBody
        configuration.memoryPerWorker = perWorker
        return Spool(configuration, Logger(label: "spool") { [lines] _ in LineCollector(lines) })
    }

    @Test func triesTheFoldersThatPythonsTempfileTries() {
        let environment = ["TMPDIR": "/fast", "TEMP": "", "TMP": "/tmp"]
        #expect(SpoolConfiguration { environment[$0] }.folders == ["/fast", "/tmp", "/var/tmp", "/usr/tmp", "."])
    }

    @Test func aFolderThatIsMissingIsNamedOnceAndTheNextIsUsed() async throws {
        let place = try await { @LoopActor in
            let spool = spool(["/nowhere", "/tmp"])
            Socket.close(try spool.begin(with: [1], [2]))
            let file = try spool.begin(with: [1], [2])
            defer { Socket.close(file) }
            return target(of: file)
        }()
        #expect(place.hasPrefix("/tmp/"))
        #expect(
            lines.all == [
                "error: Cannot spool request bodies in a folder error=No such file or directory folder=/nowhere"
            ])
    }

    @Test func aFolderThatTheLogNamesAlreadyIsNotNamedAgain() async throws {
        try await { @LoopActor in
            Socket.close(try spool(["/nowhere", "/tmp"], reported: ["/nowhere"]).begin(with: [1], [2]))
        }()
        #expect(lines.all == [])
    }

    @Test func bodiesStayInMemoryWhereNoFolderCanBeUsed() async throws {
        let bytes = try await { @LoopActor in
            let spool = spool(["/nowhere"])
            let file = try spool.begin(with: [1, 2], [3])
            defer { Socket.close(file) }
            try spool.append([4, 5], to: file, at: 3)
            var bytes = [UInt8](repeating: 0, count: 8)
            let count = pread(file, &bytes, bytes.count, 0)
            return Array(bytes.prefix(count))
        }()
        #expect(bytes == [1, 2, 3, 4, 5])
    }

    @Test func memoryIsBoundedForOneBodyAndForAll() async throws {
        try await { @LoopActor in
            let spool = spool([], perBody: 100, perWorker: 150)
            let sixty = [UInt8](repeating: 0, count: 60)
            let first = try spool.begin(with: sixty, [])
            #expect(status { try spool.append(sixty, to: first, at: 60) } == 413)
            let other = try spool.begin(with: sixty, [])
            defer { Socket.close(other) }
            #expect(status { _ = try spool.begin(with: sixty, []) } == 507)
            // What its reader has closed counts no longer.
            Socket.close(first)
            Socket.close(try spool.begin(with: sixty, []))
        }()
        #expect(lines.all.count == 1)
        #expect(lines.all.first?.contains("too large for memory error=File too large") == true)
    }

    @Test func aFolderThatIsFullIsNamed() async throws {
        let full = open("/dev/full", O_RDWR)
        defer { Socket.close(full) }
        try await { @LoopActor in
            let spool = spool(["/tmp"])
            for _ in 0..<2 {
                let file = try spool.begin(with: [1, 2], [])
                dup2(full, file)
                for _ in 0..<2 { #expect(status { try spool.append([3], to: file, at: 2) } == 507) }
                Socket.close(file)
            }
        }()
        let line = "error: Cannot spool request bodies in a folder error=No space left on device folder=/tmp"
        // Each time anew, because the folder took a body in between.
        #expect(lines.all == [line, line])
    }
}

private func target(of file: Int32) -> String {
    var target = [CChar](repeating: 0, count: 256)
    let count = readlink("/proc/self/fd/\(file)", &target, target.count)
    return String(decoding: target.prefix(max(count, 0)).map(UInt8.init(bitPattern:)), as: UTF8.self)
}

/// The status that a request gets when its body is not kept.
private func status(_ body: () throws -> Void) -> Int? {
    do {
        try body()
        return nil
    } catch { return (error as? SystemError).map { RequestBodyError.spoolFailed($0).statusHint } }
}

extension Spool {
    fileprivate func begin(with first: [UInt8], _ second: [UInt8]) throws -> Int32 {
        try (first + second).withUnsafeBytes { try begin(with: $0) }
    }
    fileprivate func append(_ bytes: [UInt8], to file: Int32, at offset: Int) throws {
        try bytes.withUnsafeBytes { try append($0, to: file, at: offset) }
    }
}

private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func append(_ line: String) { lines.withLock { $0.append(line) } }
}

/// Keeps `level: message key=value ...`, the keys in order.
private struct LineCollector: LogHandler {
    let lines: Lines
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    init(_ lines: Lines) { self.lines = lines }

    func log(event: LogEvent) {
        let pairs = (event.metadata ?? [:]).map { " \($0.key)=\($0.value)" }.sorted().joined()
        lines.append("\(event.level): \(event.message)\(pairs)")
    }
}

import EvLoop
import Glibc
import Testing

@testable import EvAdmin

/// A listening unix socket that is closed, and removed, with this object.
private final class Listener {
    let path: String
    private let descriptor: Int32

    init() throws {
        var template = Array("/tmp/evgateway-client-XXXXXX".utf8CString)
        path = mkdtemp(&template).map { String(cString: $0) + "/s" } ?? ""
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let target = try ClientAddress(.unix(path: path)).targets[0]
        let result = target.bytes.withUnsafeBytes { bytes in
            bytes.baseAddress.map {
                bind(descriptor, $0.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
            }
        }
        #expect(result == 0 && listen(descriptor, 8) == 0)
    }

    deinit {
        close(descriptor)
        unlink(path)
        rmdir(String(path.dropLast(2)))
    }
}

@Suite struct ClientTests {
    @Test func silentServerIsLeftInTime() throws {
        let listener = try Listener()
        var limits = ClientCall.Limits()
        limits.answer = 0.05
        let call = try ClientCall(
            ClientAddress(.unix(path: listener.path)), Array("GET / HTTP/1.1\r\n\r\n".utf8), limits)
        let error = #expect(throws: ClientError.self) {
            while true {
                try call.advance()
                usleep(1000)
            }
        }
        #expect(error?.kind == .failed && error?.reason.contains("does not answer in") == true)
        #expect(call.isFinished && call.descriptor == -1)
    }

    @Test func addressesAreThoseOfTheSystem() throws {
        let unix = try ClientAddress(.unix(path: "/a"))
        #expect(unix.targets.first?.bytes.suffix(3) == [0x2f, 0x61, 0] && unix.host == "localhost")
        let abstract = try ClientAddress(.abstract(name: "a"))
        #expect(abstract.targets.first?.bytes.suffix(2) == [0, 0x61])
        let tcp = try ClientAddress(BindAddress(parsing: "[::1]:80"))
        #expect(tcp.targets.first?.family == AF_INET6 && tcp.host == "[::1]:80")
        #expect(throws: ClientError.self) { try ClientAddress(.unix(path: String(repeating: "x", count: 108))) }
        #expect(throws: ClientError.self) { try ClientAddress(.tcp(host: "localhost", port: 0)) }
        #expect(throws: ClientError.self) { try ClientAddress(.named("x")) }
    }

    @Test(arguments: [("abc", true), ("a+/=~.", true), ("", false), ("a b", false), ("a\r\nX: y", false), ("é", false)])
    func tokens(_ text: String, _ isToken: Bool) { #expect(AdminClient.isToken(text) == isToken) }
}

@Suite struct TableTests {
    private func table(_ rows: [[String]]) -> Table {
        var table = Table([
            .init(title: "N", isRight: true), .init(title: "NAME"), .init(title: "TEXT", isElastic: true),
            .init(title: "Z"),
        ])
        for row in rows { table.add(row.map { .init($0) }) }
        return table
    }

    @Test func columnsAreAligned() {
        #expect(
            table([["1", "a", "日本", "z"], ["100", "bcdef", "x", ""]]).lines(width: nil).map(\.text) == [
                "  N  NAME   TEXT  Z", "  1  a      日本  z", "100  bcdef  x     ",
            ])
    }

    @Test func elasticColumnGivesWayAndThenTheEnd() {
        let long = String(repeating: "x", count: 40)
        for width in [60, 30, 24, 10, 1] {
            let lines = table([["1", "a", long, "z"]]).lines(width: width)
            #expect(lines.allSatisfy { $0.width <= width })
        }
        #expect(table([["1", "a", long, "z"]]).lines(width: 30)[1].text == "1 a    xxxxxxxxxxxxxxxxxxxx> z")
    }
}

@Suite struct RunningServersTests {
    /// A folder such as /proc, with these processes: id, parent, title.
    private func folder(_ processes: [(Int32, Int32, String)]) -> String {
        var template = Array("/tmp/evgateway-proc-XXXXXX".utf8CString)
        let root = mkdtemp(&template).map { String(cString: $0) } ?? ""
        for (pid, parent, title) in processes {
            mkdir("\(root)/\(pid)", 0o755)
            write("\(root)/\(pid)/cmdline", title + "\0\0\0")
            write("\(root)/\(pid)/stat", "\(pid) (a) b) c) S \(parent) 1 1 0")
        }
        return root
    }

    private func write(_ path: String, _ text: String) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        _ = Output.write(Array(text.utf8), to: descriptor)
        close(descriptor)
    }

    private func remove(_ root: String, _ pids: [Int32]) {
        for pid in pids {
            for name in ["cmdline", "stat", "cwd"] { unlink("\(root)/\(pid)/\(name)") }
            rmdir("\(root)/\(pid)")
        }
        rmdir(root)
    }

    @Test func areFoundByTheirTitles() {
        let root = folder([
            (10, 1, "evgateway: master [app:app\u{1b}]"), (11, 10, "evgateway: worker 1 [app:app]"),
            (12, 10, "evgateway: admin at unix:/a b,127.0.0.1:81,[::1]:82"), (20, 1, "evgateway: master [other]"),
            (30, 1, "sh"), (31, 30, "vi evgateway: admin at unix:/x"), (40, 1, ""),
            (50, 1, "evgateway: master [third]"), (51, 50, "evgateway: admin at unix:rel.sock"),
        ])
        defer { remove(root, [10, 11, 12, 20, 30, 31, 40, 50, 51]) }
        symlink("/srv", "\(root)/51/cwd")
        let servers = RunningServers(root: root)
        let found = servers.all(of: getuid())
        #expect(found.map(\.master) == [10, 50] && found.map(\.admin) == [12, 51])
        #expect(found[0].application == "app:app\\x1b")
        #expect(
            found[0].addresses == [.unix(path: "/a b"), .tcp(host: "127.0.0.1", port: 81), .tcp(host: "::1", port: 82)])
        #expect(found[1].addresses == [.unix(path: "/srv/rel.sock")])
        #expect(servers.mute(of: getuid()) == [20])
        #expect(servers.server(of: 10) == found[0] && servers.server(of: 12) == found[0])
        #expect(servers.server(of: 20) == nil && servers.isMaster(20))
        #expect(servers.server(of: 30) == nil && !servers.isMaster(30) && !servers.exists(99))
        #expect(servers.all(of: getuid() &+ 1).isEmpty)
    }
}

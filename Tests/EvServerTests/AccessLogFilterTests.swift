@testable import EvServer
import Testing

@Suite struct AccessLogFilterTests {
    private func takes(
        _ rules: [String], slower: Double = 0, path: String = "/a/b", method: String = "GET", status: Int = 200,
        duration: Double = 0
    ) throws -> Bool {
        let filter = try AccessLogFilter(skipping: rules, slowerThan: slower)
        let (path, method) = (Array(path.utf8), Array(method.utf8))
        return path.withUnsafeBytes { path in
            method.withUnsafeBytes { method in
                var record = AccessLogRecord()
                (record.path, record.method, record.status, record.duration) = (path, method, status, duration)
                return filter.takes(record)
            }
        }
    }

    @Test(arguments: [
        ("/a/b", true), ("/a", false), ("/a/*", true), ("/a*", true), ("*b", true), ("*", true), ("/*/b", true),
        ("/*c", false), ("/a/b*", true), ("/a/b/*", false), ("/**b", true), ("2xx", true), ("200", true),
        ("status=2XX", true), ("status=404", false), ("method=GET", true), ("method=get", false), ("3xx", false),
        ("/a/b 2xx", true), ("/a/b 5xx", false), ("/a/b method=HEAD", false), ("/x, /a/b", true), ("/x,,2xx", true),
        ("", false), (" , ", false),
    ])
    func requestThatFitsARuleIsSkipped(_ rule: String, _ fits: Bool) throws {
        #expect(try takes([rule]) == !fits)
    }

    @Test(arguments: ["healthz", "20", "2000", "xx", "0xx", "status=", "path=/a", "/a b"])
    func ruleThatCannotBeReadIsRefused(_ rule: String) {
        #expect(throws: AccessLogRuleError.self) { try AccessLogFilter(skipping: [rule], slowerThan: 0) }
    }

    @Test func slowAndFailedRequestsAreTaken() throws {
        #expect(try !takes([], slower: 0.5, duration: 0.4) && takes([], slower: 0.5, duration: 0.5))
        #expect(try takes([], slower: 0.5, status: 500) && !takes([], slower: 0.5, status: 499))
        #expect(try !takes(["/a/b"], slower: 0.5, status: 500))
    }

    /// Time in proportion to the path: a client cannot make a rule expensive.
    @Test func longPathsAreMatchedInPassing() throws {
        let path = "/" + String(repeating: "a", count: 100_000)
        #expect(try takes(["/*a*a*a*a*a*b"], path: path) && !takes(["/*a*a*a*"], path: path))
    }
}

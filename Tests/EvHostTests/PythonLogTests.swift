import EvHost
import EvLoop
import EvSettings
import Glibc
import Logging
import Synchronization
import Testing

/// When another language writes the log, and what it gets.
@Suite struct PythonLogTests {
    private let folder = TemporaryFolder()

    /// Notes what a relay got.
    private final class Heard: Sendable {
        let lines = Mutex<[String]>([])
    }

    @Test func relayIsAskedFirst() throws {
        let log = try ErrorLog(path: "\(folder.path)/e.log")
        let heard = Heard()
        log.relay = { level, text in
            heard.lines.withLock { $0.append("\(level): \(text)") }
            return !text.hasPrefix("not")
        }
        let logger = log.makeLogger(label: "test")
        logger.info("taken\n", metadata: ["a": "b c"])
        logger.debug("hidden")
        logger.error("not taken")
        Array("Traceback:\n  a\n".utf8).withUnsafeBytes { log.write($0) }
        #expect(
            heard.lines.withLock { $0 }
                == [#"info: taken\n a="b c""#, "error: not taken", "error: Traceback:\n  a"])
        let text = folder.text("e.log")
        #expect(text.hasSuffix("[ERROR] not taken\n") && text.filter(\.isNewline).count == 1)
        log.relay = nil
        logger.info("own")
        #expect(folder.text("e.log").hasSuffix("[INFO] own\n"))
    }

    @Test(arguments: [
        ([], false), (["--logger-class", "gunicorn.glogging.Logger"], false), (["--logger-class", "simple"], false),
        (["--logger-class", "gunicorn.instrument.statsd.Statsd"], false), (["--logger-class", "shop.Logger"], true),
        (["--log-config", "log.ini"], true), (["--log-config-json", "log.json"], true), (["--capture-output"], false),
    ])
    func settingsThatAskForIt(words: [String], asks: Bool) throws {
        #expect(try configuration(words).asksForPythonLog == asks)
    }

    @Test func dictionaryInTOML() throws {
        let file = folder.file(
            "e.toml",
            """
            [logconfig_dict]
            version = 1
            root = { level = "INFO", handlers = ["a"] }
            [logconfig_dict.handlers.a]
            class = "logging.StreamHandler"
            """)
        let read = try configuration(["--config", file])
        #expect(read.asksForPythonLog)
        #expect(
            read.logConfigTable == [
                .init("version", .integer(1)),
                .init("root", .table([.init("level", .text("INFO")), .init("handlers", .list([.text("a")]))])),
                .init("handlers", .table([.init("a", .table([.init("class", .text("logging.StreamHandler"))]))])),
            ])
        let bad = folder.file("bad.toml", "logconfig_dict = 'text'")
        #expect(failure(["--config", bad]).contains("logconfig_dict: 'text' is not a table"))
    }
}

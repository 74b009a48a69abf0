import EvHost
import EvLoop
import EvServer
import EvSettings
import Testing

/// A host whose app is checked and never served.
private final class CheckedHost: ApplicationHost {
    let kind: AppKind
    let name = "test"
    private let failure: ApplicationError?
    private(set) var checked: [GatewayConfiguration] = []

    init(_ kind: AppKind, failure: ApplicationError? = nil) {
        self.kind = kind
        self.failure = failure
    }

    func check(_ configuration: GatewayConfiguration) throws(ApplicationError) {
        checked.append(configuration)
        if let failure { throw failure }
    }

    @LoopActor func makeApplication(
        _ configuration: GatewayConfiguration, worker: WorkerEnvironment
    ) throws(ApplicationError) -> LoadedApplication {
        throw ApplicationError("never served")
    }
}

@Suite struct HostTests {
    @Test func checkConfigAsksTheHostAndServesNothing() {
        let host = CheckedHost(.python)
        #expect(runGateway(host: host, arguments: ["--check-config", "-w", "3", "shop:app"]) == 0)
        #expect(host.checked.map(\.workers) == [3])
        #expect(host.checked.map(\.workerClass) == [.auto])
    }

    @Test(arguments: [ApplicationError.bootFailure, ApplicationError.loadFailure])
    func failureOfTheAppIsTheExitCode(_ code: Int32) {
        let host = CheckedHost(.python, failure: ApplicationError("no attribute", exitCode: code, details: "Traceback"))
        #expect(runGateway(host: host, arguments: ["--check-config", "shop:app"]) == code)
    }

    @Test(arguments: [
        ["--workers", "0"], ["--no-such-option"], ["-k", "inline"], ["stray-word"], ["--chdir", "/no/such/folder"],
        ["--access-logformat", "%("],
    ])
    func wrongCommandLineEndsWithOneAndAsksNothing(_ words: [String]) {
        let host = CheckedHost(.swift)
        #expect(runGateway(host: host, arguments: words + ["--check-config"]) == 1)
        #expect(host.checked.isEmpty)
    }

    @Test(arguments: [["--help"], ["--version"], ["-h", "--workers", "0"]])
    func questionsAboutItselfEndWithZero(_ words: [String]) {
        #expect(runGateway(host: CheckedHost(.swift), arguments: words) == 0)
    }

    @Test func logThatCannotBeOpenedEndsBeforeAnythingIsBound() {
        let host = CheckedHost(.swift)
        #expect(runGateway(host: host, arguments: ["--error-logfile", "/no/such/folder/log"]) == 1)
        #expect(runGateway(host: host, arguments: ["--access-logfile", "/no/such/folder/log"]) == 1)
    }
}

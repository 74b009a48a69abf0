import EvLoop
import EvSupervisor
import Glibc
import Testing

@Suite struct SocketActivationTests {
    private func made(_ changes: [String: String] = [:]) -> SocketActivation? {
        let all = ["LISTEN_FDS": "2", "LISTEN_PID": "\(getpid())", "LISTEN_FDNAMES": "web:other"]
        return SocketActivation { name in changes[name] ?? all[name] }
    }

    private let both = [BindAddress.inherited(fileDescriptor: 3), .inherited(fileDescriptor: 4)]

    @Test func passedSocketsTakeThePlaceOfAddresses() throws {
        let activation = try #require(made())
        #expect(activation.addresses(for: [.tcp(host: "127.0.0.1", port: 8000)]) == both)
        #expect(activation.names.map(\.name) == ["web", "other"])
    }

    @Test func oneThatIsNamedIsAChoice() throws {
        let activation = try #require(made())
        let own = BindAddress.unix(path: "/s")
        #expect(activation.addresses(for: [.named("other"), own]) == [both[1], own])
        #expect(activation.addresses(for: [both[0]]) == [both[0]])
        #expect(activation.addresses(for: [.named("third")]) == [.named("third")])
    }

    /// A unit may give several sockets one name.
    @Test func nameStandsForAllThatHaveIt() throws {
        let activation = try #require(made(["LISTEN_FDNAMES": "web:web"]))
        #expect(activation.addresses(for: [.named("web")]) == both)
    }

    @Test func missingNamesAreUnknown() throws {
        let activation = try #require(made(["LISTEN_FDNAMES": "web"]))
        #expect(activation.names.map(\.name) == ["web", "unknown"])
    }

    @Test(arguments: [
        ["LISTEN_PID": "1"], ["LISTEN_PID": ""], ["LISTEN_FDS": "0"], ["LISTEN_FDS": "-1"], ["LISTEN_FDS": "x"],
        ["LISTEN_FDS": "99999999999"], ["LISTEN_FDS": "100000"],
    ])
    func whatIsNotForThisProcessIsNothing(_ changes: [String: String]) {
        #expect(made(changes) == nil)
    }
}

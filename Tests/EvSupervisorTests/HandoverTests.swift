import EvLoop
@testable import EvSupervisor
import Glibc
import Testing

@Suite struct HandoverTests {
    private let anyPort = BindAddress.tcp(host: "127.0.0.1", port: 0)

    private func handover(of set: ListenerSet) throws -> Handover {
        // The next master has copies of its own.
        let copies = set.handedOver.map {
            Handover.Socket(fileDescriptor: dup($0.fileDescriptor), index: $0.index, address: $0.address, file: $0.file)
        }
        let text = Handover(process: getpid(), master: getppid(), sockets: copies).text
        return try #require(Handover(reading: text))
    }

    @Test func keepsEveryPath() throws {
        let path = "/tmp/a b,c%20\n\u{e9}:1"
        let sockets = [
            Handover.Socket(
                fileDescriptor: 5, index: nil, address: "unix:\(path)", file: FileIdentity(device: 3, inode: .max)),
            Handover.Socket(fileDescriptor: 6, index: 2, address: "[::1]:80", file: nil),
        ]
        let handover = Handover(process: 7, master: 1, sockets: sockets)
        #expect(!handover.text.contains("\n"))
        #expect(Handover(reading: handover.text, process: 7) == handover)
        #expect(Handover(reading: Handover(process: 7, master: 1, sockets: []).text, process: 7)?.sockets == [])
    }

    @Test func passesTheBusOnInFewWords() throws {
        let ground = PassedGround(layout: 7, side: 1, ground: 5, scoreboard: 6, ends: [9, 10, 11, 12, 20, 30, 31, 8])
        #expect(ground.text == "bus=7,1,5,6,9-12,20,30-31,8")
        let handover = Handover(process: 7, master: 1, sockets: [], channel: 4, ground: ground)
        #expect(Handover(reading: handover.text, process: 7) == handover)
        let later = "7 1 later=5,-,- bus=1,0,5,6 5,-,-,:80"
        #expect(Handover(reading: later, process: 7)?.sockets.count == 1, "a word of a later version")
    }

    @Test(arguments: [
        "bus=", "bus=1,0,5", "bus=1,0,2,6", "bus=1,0,5,x", "bus=1,0,5,6,", "bus=1,0,5,6,9-", "bus=1,0,5,6,10-9",
        "bus=1,0,5,6,9-10-11", "bus=1,0,5,6,1-9", "bus=1,0,5,6,9-2147483647", "bus=1,0,5,6,3-60000,3-60000",
    ])
    func refusesABusThatNoMasterHasPassedOn(text: String) {
        #expect(PassedGround(text[...]) == nil)
        #expect(Handover(reading: "7 1 \(text) 5,-,-,:80", process: 7)?.ground == nil)
    }

    /// A program that an app starts has inherited the variable, perhaps, and is not meant.
    @Test func isForOneProcess() {
        #expect(Handover(reading: Handover(process: 7, master: 1, sockets: []).text, process: 8) == nil)
    }

    @Test(arguments: [
        "", "7", "7 ", "x 1", "7 x", "7 1 ", "7 1 5", "7 1 5,-,-", "7 1 2,-,-,:80", "7 1 -5,-,-,:80", "7 1 5,x,-,:80",
        "7 1 5,-,3,:80", "7 1 5,-,3:x,:80", "7 1 5,-,-,%", "7 1 5,-,-,%4", "7 1 5,-,-,%zz", "7 1 99999999999,-,-,:80",
    ])
    func refusesWhatNoMasterHasWritten(text: String) {
        #expect(Handover(reading: text, process: 7) == nil)
    }

    @Test func nextMasterHasTheSameSockets() throws {
        let directory = try TemporaryDirectory()
        let unix = BindAddress.unix(path: "\(directory.path)/s")
        var former = try ListenerSet([anyPort, unix], backlog: 16, reusePort: false)
        var next = try ListenerSet([unix, anyPort], backlog: 16, reusePort: false, handover: try handover(of: former))
        #expect(next.addresses.map(\.port) == former.addresses.map(\.port).reversed())
        former.close()
        // The file belongs to whoever ends last.
        #expect(directory.files == ["s"])
        #expect(canConnect(unix))
        next.close()
        next.removeFiles()
        #expect(directory.files == [])
    }

    @Test func nextMasterOpensWhatIsNewAndClosesWhatIsGone() throws {
        let directory = try TemporaryDirectory()
        let kept = BindAddress.unix(path: "\(directory.path)/k")
        let gone = BindAddress.unix(path: "\(directory.path)/g")
        var former = try ListenerSet([gone, kept], backlog: 16, reusePort: false)
        var next = try ListenerSet([anyPort, kept], backlog: 16, reusePort: false, handover: try handover(of: former))
        #expect(next.addresses.map(\.isUnix) == [false, true])
        former.close()
        // The next master has given its copy up.
        #expect(!canConnect(gone) && canConnect(kept))
        next.removeUnclaimedFiles()
        #expect(directory.files == ["k"])
        next.close()
        next.removeFiles()
        #expect(directory.files == [])
    }

    @Test func socketsOfWorkersStayWithTheirIndex() throws {
        var former = try ListenerSet([anyPort], backlog: 16, reusePort: true)
        _ = try former.sockets(forWorker: 1)
        let handover = try handover(of: former)
        #expect(handover.usesReusePort == true && handover.sockets.map(\.index) == [0, 1])
        var next = try ListenerSet([anyPort], backlog: 16, reusePort: true, handover: handover)
        #expect(next.addresses.map(\.port) == former.addresses.map(\.port))
        for (index, socket) in handover.sockets.enumerated() {
            #expect(try next.sockets(forWorker: index).map(\.fileDescriptor) == [socket.fileDescriptor])
        }
        #expect(try next.sockets(forWorker: 2).map(\.port) == former.addresses.map(\.port))
        former.close()
        next.close()
    }

    private func canConnect(_ address: BindAddress) -> Bool { Client(address) != nil }
}

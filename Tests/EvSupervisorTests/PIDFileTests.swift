import EvSupervisor
import Glibc
import Testing

@Suite struct PIDFileTests {
    @Test func holdsTheProcessIdAndLeavesNothingElse() throws {
        let directory = try TemporaryDirectory()
        let file = try PIDFile(claiming: "\(directory.path)/pid")
        #expect(directory.read("pid") == "\(getpid())\n")
        #expect(directory.files == ["pid"])
        file.remove()
        #expect(directory.files == [])
    }

    @Test func refusesTheFileOfALiveProcess() throws {
        let directory = try TemporaryDirectory()
        directory.write("pid", "\(getppid())\n")
        #expect {
            try PIDFile(claiming: "\(directory.path)/pid")
        } throws: { error in
            "\(error)".contains("process \(getppid())")
        }
        #expect(directory.read("pid") == "\(getppid())\n")
    }

    @Test func replacesTheFileOfTheFormerMaster() throws {
        let directory = try TemporaryDirectory()
        directory.write("pid", "\(getppid())\n")
        _ = try PIDFile(claiming: "\(directory.path)/pid", after: getppid())
        #expect(directory.read("pid") == "\(getpid())\n")
    }

    // The last one is larger than any process id in Linux (pid_max is 2^22 at most).
    @Test(arguments: ["", "garbage", "0\n", "-1\n", "99999999999999999999\n", "2147483647\n"])
    func replacesAStaleFile(text: String) throws {
        let directory = try TemporaryDirectory()
        directory.write("pid", text)
        _ = try PIDFile(claiming: "\(directory.path)/pid")
        #expect(directory.read("pid") == "\(getpid())\n")
    }

    @Test func replacesAFileThatNamesItsOwnId() throws {
        let directory = try TemporaryDirectory()
        directory.write("pid", "\(getpid())\n")
        _ = try PIDFile(claiming: "\(directory.path)/pid")
    }

    @Test func leavesAFileThatNamesAnotherProcessByNow() throws {
        let directory = try TemporaryDirectory()
        let file = try PIDFile(claiming: "\(directory.path)/pid")
        directory.write("pid", "1\n")
        file.remove()
        #expect(directory.read("pid") == "1\n")
    }

    @Test func saysWhyItCannotBeWritten() {
        #expect {
            try PIDFile(claiming: "/nonexistent/directory/pid")
        } throws: { error in
            "\(error)".contains("/nonexistent/directory/pid: No such file or directory")
        }
    }
}

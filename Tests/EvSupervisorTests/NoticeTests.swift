import EvSupervisor
import Glibc
import Testing

@Suite struct NoticeTests {
    @Test func readsTheStatusOfWaitpid() {
        #expect(ExitStatus(waitStatus: 0) == .exited(code: 0))
        #expect(ExitStatus(waitStatus: 0x0400) == .exited(code: 4))
        #expect(ExitStatus(waitStatus: 0xff00) == .exited(code: 255))
        #expect(ExitStatus(waitStatus: 9) == .signaled(number: SIGKILL, dumpedCore: false))
        #expect(ExitStatus(waitStatus: 0x80 | 11) == .signaled(number: SIGSEGV, dumpedCore: true))
    }

    @Test func namesSignalsAsPeopleTypeThem() {
        #expect(Notice.handling(signal: SIGHUP).text == "Handling signal: hup")
        #expect(Notice.handling(signal: SIGTTIN).text == "Handling signal: ttin")
    }

    @Test func suspectsMemoryBehindAForeignKill() {
        let text = Notice.died(pid: 7, .signaled(number: SIGKILL, dumpedCore: false)).text
        #expect(text.contains("pid: 7") && text.contains("SIGKILL") && text.contains("memory"))
        #expect(!Notice.died(pid: 7, .exited(code: 1)).text.contains("memory"))
    }

    @Test func namesTheRequestsOfAHungWorker() {
        let text = hangReport(
            pid: 7, silence: 31, now: 100, current: ("GET /spin", 69), longest: ("GET /poll", 40.5))
        #expect(text.contains("pid: 7") && text.contains("31 s"))
        #expect(text.contains("\"GET /spin\" for 31 s"))
        #expect(text.contains("\"GET /poll\" for 59.5 s"))
    }

    @Test func namesARequestOnceWhenItIsAlsoTheLongest() {
        let text = hangReport(pid: 7, silence: 31, now: 100, current: ("GET /a", 69), longest: ("GET /a", 69))
        #expect(text.split(separator: "/a").count == 2)
        #expect(hangReport(pid: 7, silence: 31, now: 100, current: nil, longest: nil).contains("no request"))
    }

    @Test func letsNoClientForgeALine() {
        let text = hangReport(
            pid: 7, silence: 31, now: 100, current: ("GET /\r\n[critical] \u{1b}[2J\"\\\u{9b}", 69), longest: nil)
        #expect(!text.unicodeScalars.contains { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) })
        #expect(text.contains("/\\x0d\\x0a[critical] \\x1b[2J\\x22\\x5c\\x9b\""))
    }
}

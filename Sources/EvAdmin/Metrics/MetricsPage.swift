// `/metrics`: the counters of all workers that there have been, what those do that there are, and what the kernel
// tells. Law: label sets are bounded, whatever clients and workers do; one page is one reading.

import EvLoop
import EvServer
import HTTPCore

@LoopActor
final class MetricsPage {
    let link: ServerLink
    let settings: AdminSettings
    let processes: ProcessTable
    private var pages: [MetricsForm: (bytes: [UInt8], madeAt: Double)] = [:]

    /// Seconds. Who asks more often gets the same page, so that scrapers cannot keep a processor busy.
    private static let age = 0.05

    init(_ link: ServerLink, _ settings: AdminSettings, _ processes: ProcessTable) {
        self.link = link
        self.settings = settings
        self.processes = processes
    }

    func answer(_ exchange: Exchange) {
        let head = exchange.head
        let form = MetricsForm(accept: head.values(of: "Accept").map { head.string($0) })
        exchange.answer(page(form), type: form.contentType)
    }

    private func page(_ form: MetricsForm) -> [UInt8] {
        let now = EventLoop.monotonicNow()
        if let (bytes, madeAt) = pages[form], now - madeAt < Self.age { return bytes }
        var text = MetricsText(form)
        let reading = MetricsReading(link)
        reading.writeRequests(to: &text, workerClass: settings.workerClass)
        reading.writeConnections(to: &text)
        reading.writeLoops(to: &text)
        reading.writeServer(to: &text)
        reading.writeBus(of: link, to: &text)
        text.family("evgateway_build", .info, "The program, and the class of its workers.")
        text.sample(["version": settings.version, "worker_class": settings.workerClass], .count(1))
        writeProcesses(reading, to: &text)
        text.end()
        pages[form] = (text.bytes, now)
        return text.bytes
    }
}

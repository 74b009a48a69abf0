// The processes of the server, as the kernel knows them, by the names that Prometheus' own clients use.

import EvLoop
import EvSupervisor
import Glibc

extension MetricsPage {
    private struct Process {
        /// What it is, and of a worker the value of the label `worker`.
        let kind: String
        let worker: String?
        var figures: [ProcessFigures]

        var labels: MetricsText.Labels {
            if let worker { ["process": kind, "worker": worker] } else { ["process": kind] }
        }
    }

    func writeProcesses(_ reading: MetricsReading, to text: inout MetricsText) {
        let admin = getpid()
        var all = [
            Process(kind: "master", worker: nil, figures: [processes.figures(of: link.master)]),
            Process(kind: "admin", worker: nil, figures: [processes.figures(of: admin)]),
        ]
        for (label, workers) in reading.byLabel {
            all.append(
                Process(
                    kind: "worker", worker: label, figures: workers.map { processes.figures(of: $0.identity.pid) }))
        }
        func sum(_ name: StaticString, _ help: StaticString, _ value: (ProcessFigures) -> UInt64?) {
            text.family(name, .gauge, help)
            for process in all {
                let values = process.figures.compactMap(value)
                guard !values.isEmpty else { continue }
                text.sample(process.labels, .count(values.reduce(0) { $0 &+ $1 }))
            }
        }
        sum("process_resident_memory_bytes", "Resident memory, shared pages included.", \.resident)
        sum("process_proportional_memory_bytes", "Resident memory, shared pages in proportion (PSS).", \.proportional)
        sum("process_open_fds", "Open file descriptors.", \.openDescriptors)
        // Of several processes under one label, these would not be numbers that mean something.
        let single = all.filter { $0.figures.count == 1 && $0.worker != "other" }
        text.family("process_max_fds", .gauge, "The limit of open file descriptors.")
        for process in single {
            if let most = process.figures[0].mostDescriptors { text.sample(process.labels, .count(most)) }
        }
        text.family("process_cpu_seconds", .counter, "Time of processors, in user and system mode.")
        for process in single {
            if let time = process.figures[0].processorTime { text.sample(process.labels, .number(time)) }
        }
        text.family("process_start_time_seconds", .gauge, "When it was started, in seconds since 1970.")
        for process in single {
            if let start = process.figures[0].startedAt { text.sample(process.labels, .number(start)) }
        }
    }
}

// The rows about what the processes are to the system: their user, their names, their processors, their terminal.

extension Setting {
    static let identityRows = [
        Setting(
            "user", "-u --user", .process, .text(\.user), value: "user",
            "The user of the workers, by name or number; the master, which root starts, stays root's.",
            details: "Without --group, the user's own group comes with it."),
        Setting(
            "group", "-g --group", .process, .text(\.group), value: "group",
            "The group of the workers, by name or number."),
        Setting(
            "initgroups", "--initgroups", .process, .toggle(\.initializesGroups),
            "Workers have all groups of --user; else --group alone."),
        Setting(
            "daemon", "-D --daemon", .process, .toggle(\.isDaemon),
            "Go on in the background: the command ends when the first worker is ready, or with the error.",
            details: "Standard streams are /dev/null then, so the log needs --error-logfile."),
        Setting(
            "enable_stdio_inheritance", "-R --enable-stdio-inheritance", .process, .toggle(\.keepsStreams),
            "With --daemon: standard output and error stay what they are, unless they are a terminal."),
        Setting(
            "proc_name", "-n --name", .process, .text(\.processName), value: "text",
            "What the titles of the processes say in place of APP: 'evgateway: master [text]'."),
        Setting(
            "cpu_affinity", "--cpu-affinity", .process, .affinity, value: "processors",
            "One processor for each worker: auto, or which, as 0,2,4-7; the first worker has the first.",
            details: "With more workers than processors it begins again with the first. Threads of a worker share its "
                + "processor."),
    ]
}

extension Kind {
    static let affinity = Kind(
        .value, range: "auto, or numbers and ranges", reset: { $0.cpuAffinity = nil },
        show: { $0.cpuAffinity.map { .text($0.text) } ?? .none }
    ) { configuration, value throws(ValueError) in
        configuration.cpuAffinity = try CPUAffinity(parsing: ValueReader.nonEmpty(value))
    }
}

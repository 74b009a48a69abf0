// The rows about the life of workers: when one is replaced, how many there are, how the server leaves.

extension Setting {
    static let lifeRows = [
        Setting(
            "max_worker_lifetime", "--max-worker-lifetime", .workers, .seconds(\.maxWorkerLifetime), value: "seconds",
            "Seconds after which a worker is replaced; 0: never."),
        Setting(
            "max_worker_lifetime_jitter", "--max-worker-lifetime-jitter", .workers,
            .seconds(\.maxWorkerLifetimeJitter), value: "seconds",
            "Up to so many seconds, at random, are added to --max-worker-lifetime."),
        Setting(
            "max_worker_rss", "--max-worker-rss", .workers, .bytes(\.maxWorkerRSS), value: "bytes",
            "Resident memory from which on a worker is replaced, as 512M; 0: any.",
            details: "Looked at once a second. It is what ps shows as RSS: what is shared with the master counts too."),
        Setting(
            "workers_max", "--max-workers", .workers, .wholeNumber(\.maxWorkers, 0...1024), value: "int",
            "Most workers, where they follow the load; 0: as many as --workers.",
            details: "One more is started when all have been busy for a second. In files workers_max, because "
                + "gunicorn.conf.py often has a variable max_workers of its own."),
        Setting(
            "worker_idle_timeout", "--worker-idle-timeout", .workers, .seconds(\.workerIdleTimeout), value: "seconds",
            "With --max-workers: a worker more than the load needs ends after so long."),
        Setting(
            "shutdown_delay", "--shutdown-delay", .times, .seconds(\.shutdownDelay), value: "seconds",
            "Time after TERM in which workers still accept, so that proxies learn that they leave.",
            details: "Each answer ends its connection meanwhile. A second TERM, or QUIT, ends the delay."),
        Setting(
            "drain_window", "--drain-window", .times, .seconds(\.drainWindow), value: "seconds",
            "Time over which a worker that leaves closes its WebSockets, so that not all clients come back at once.",
            details: "With code 1012, a few at a time: 10 ms for each, and no longer than this in all, nor than three "
                + "quarters of --graceful-timeout. 0: all at once."),
    ]
}

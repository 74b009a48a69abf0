// The hooks of gunicorn: functions of a configuration file in Python that are called at moments of the server's life.

package struct Hook: Sendable {
    package let name: String
    /// Its parameters, as gunicorn gives them.
    package let parameters: String
    package let verdict: Setting.Verdict
    /// When it is called, and in which process.
    package let help: String

    package static let all: [Hook] = [
        served("on_starting", "server", "In the master, before it listens."),
        served("on_reload", "server", "In the master after HUP, before new workers are started."),
        served("when_ready", "server", "In the master when it listens, before it starts workers."),
        served("pre_fork", "server, worker", "In the master, before a worker is forked."),
        served(
            "post_fork", "server, worker",
            "In a worker, after the fork and before the app is loaded; still as the user of the master."),
        served("post_worker_init", "worker", "In a worker, when the app is loaded."),
        served("worker_int", "worker", "In a worker that INT or QUIT ends."),
        served("worker_abort", "worker", "In a worker that is ended because it hangs, if its loop still turns."),
        served("pre_exec", "server", "After USR2, in the process that executes the next master."),
        served("pre_request", "worker, req", "In a worker, before the app is called."),
        served("post_request", "worker, req, environ, resp", "In a worker, after the response."),
        served("child_exit", "server, worker", "In the master, when a worker has ended."),
        served("worker_exit", "server, worker", "In a worker that ends."),
        served(
            "nworkers_changed", "server, new_value, old_value", "In the master, when the number of workers changes."),
        served("on_exit", "server", "In the master that ends."),
        Hook(
            name: "ssl_context", parameters: "config, default_ssl_context_factory",
            verdict: .accepted("TLS is OpenSSL's, and what the settings of TLS say"),
            help: "Without effect: TLS is OpenSSL's, and what the settings of TLS say."),
        dirty("on_dirty_starting", "arbiter"), dirty("dirty_post_fork", "arbiter, worker"),
        dirty("dirty_worker_init", "worker"), dirty("dirty_worker_exit", "arbiter, worker"),
    ]

    private static func served(_ name: String, _ parameters: String, _ help: String) -> Hook {
        Hook(name: name, parameters: parameters, verdict: .served, help: help)
    }

    private static func dirty(_ name: String, _ parameters: String) -> Hook {
        Hook(
            name: name, parameters: parameters, verdict: .accepted("there are no dirty workers"),
            help: "Without effect: there are no dirty workers.")
    }
}

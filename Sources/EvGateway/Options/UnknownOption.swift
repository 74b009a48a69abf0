// What is said of an option that there is not: what to write in its place where another server has it, the nearest name
// where it is misspelt, and nothing more of any other.

enum UnknownOption {
    /// What users of gunicorn, uvicorn, granian, waitress and uWSGI type, and what does the same here.
    private static let elsewhere: [String: String] = [
        "--host": "write --bind HOST:PORT", "--port": "write --bind HOST:PORT", "--listen": "write --bind ADDRESS",
        "--uds": "write --bind unix:PATH", "--unix-socket": "write --bind unix:PATH", "--fd": "write --bind fd://N",
        "--http": "write --bind ADDRESS", "--http-socket": "write --bind ADDRESS",
        "--processes": "write --workers N", "--blocking-threads": "write --threads N",
        "--limit-concurrency": "write --connections N", "--connection-limit": "write --connections N",
        "--limit-max-requests": "write --max-requests N",
        "--timeout-keep-alive": "write --keep-alive SECONDS",
        "--timeout-graceful-shutdown": "write --graceful-timeout SECONDS",
        "--workers-kill-timeout": "write --graceful-timeout SECONDS",
        "--harakiri": "write --request-timeout SECONDS",
        "--app-dir": "write --chdir FOLDER or --pythonpath FOLDER", "--working-dir": "write --chdir FOLDER",
        "--loop": "write --asgi-loop NAME", "--pidfile": "write --pid FILE",
        "--factory": "write the call as part of APP: module:create_app()",
        "--call": "write the call as part of APP: module:create_app()",
        "--module": "write it as APP", "--wsgi-file": "write its path as APP",
        "--callable": "write it as part of APP: module:callable",
        "--access-log": "write --access-logfile FILE", "--logto": "write --error-logfile FILE",
        "--no-access-log": "there is no access log without --access-logfile",
        "--env": "set it in the environment of the command", "--virtualenv": "write --python FOLDER",
    ]

    /// Settings of gunicorn that are not served: no misspelling of others.
    private static let gunicorns: Set<String> = [
        "--config", "--reload", "--reload-engine", "--reload-extra-file", "--spew", "--print-config", "--no-sendfile",
        "--daemon", "--worker-tmp-dir", "--user", "--group", "--umask", "--initgroups", "--forwarded-allow-ips",
        "--disable-redirect-access-to-syslog", "--capture-output", "--logger-class", "--log-config",
        "--log-config-json", "--log-syslog-to", "--log-syslog", "--log-syslog-prefix", "--log-syslog-facility",
        "--enable-stdio-inheritance", "--statsd-host", "--dogstatsd-tags", "--statsd-prefix", "--name", "--paste",
        "--enable-backlog-metric", "--paster", "--proxy-protocol", "--proxy-allow-from", "--protocol",
        "--uwsgi-allow-from", "--keyfile", "--certfile", "--ssl-version", "--cert-reqs", "--ca-certs", "--ciphers",
        "--suppress-ragged-eofs", "--do-handshake-on-connect",
    ]

    /// The sentence for an option as it was typed, `--name` or `--name=value`.
    /// - Parameter known: the names that there are, with their dashes.
    static func reason(_ typed: String, known: Set<String>) -> String {
        let name = String(typed.prefix { $0 != "=" })
        if let instead = elsewhere[name] { return "unknown option '\(name)': \(instead)" }
        if gunicorns.contains(name) { return "unknown option '\(name)': gunicorn has it, evgateway does not" }
        guard let near = nearest(to: name, among: known) else { return "unknown option '\(name)'" }
        return "unknown option '\(name)'; did you mean '\(near)'?"
    }

    /// The name with the fewest edits, of those with at most two and at most one for each three letters.
    private static func nearest(to name: String, among known: Set<String>) -> String? {
        guard name.hasPrefix("--") else { return nil }
        let word = Array(name.dropFirst(2).utf8)
        return known.sorted()
            .map { (name: $0, edits: edits(word, Array($0.dropFirst(2).utf8))) }
            .filter { $0.edits <= min(2, word.count / 3) }
            .min { $0.edits < $1.edits }?.name
    }

    /// How many letters are inserted, left out, replaced, or swapped with their neighbour.
    private static func edits(_ one: [UInt8], _ other: [UInt8]) -> Int {
        var table = [[Int]](repeating: [Int](repeating: 0, count: other.count + 1), count: one.count + 1)
        for row in 0...one.count {
            for column in 0...other.count {
                guard row > 0, column > 0 else {
                    table[row][column] = row + column
                    continue
                }
                let replaced = one[row - 1] == other[column - 1] ? 0 : 1
                table[row][column] = min(
                    table[row - 1][column] + 1, table[row][column - 1] + 1, table[row - 1][column - 1] + replaced)
                if row > 1, column > 1, one[row - 1] == other[column - 2], one[row - 2] == other[column - 1] {
                    table[row][column] = min(table[row][column], table[row - 2][column - 2] + 1)
                }
            }
        }
        return table[one.count][other.count]
    }
}

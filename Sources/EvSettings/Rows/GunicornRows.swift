// The settings of gunicorn 27 that change nothing here, with the reason, and those with which the server does not
// start, with what to do instead. The defaults of gunicorn are among the values that nobody needs to be told about.

extension Setting {
    static let gunicornRows = [
        accepted("worker_tmp_dir", "--worker-tmp-dir", "folder", "heartbeats are in shared memory and need no file"),
        accepted("sendfile", "", off: "--no-sendfile", "", harmless: ["true"], "files go by sendfile where they can"),
        accepted("spew", "--spew", "", "lines are not traced: use python -m trace"),
        accepted("default_proc_name", "", "", harmless: ["gunicorn"], "the default of proc_name is APP"),
        // 2 is ssl.PROTOCOL_TLS, the default.
        accepted("ssl_version", "--ssl-version", "name", harmless: ["2"], "gunicorn itself ignores it"),
        accepted(
            "suppress_ragged_eofs", "--suppress-ragged-eofs", "", harmless: ["true"],
            "a client that leaves without a word is one that has left"),
        accepted(
            "do_handshake_on_connect", "--do-handshake-on-connect", "",
            "a handshake begins with the client's first byte"),
        accepted("http_parser", "--http-parser", "name", harmless: ["auto", "fast", "python"], "there is one parser"),
        accepted(
            "permit_obsolete_folding", "--permit-obsolete-folding", "",
            "a folded field is always answered with 400 (RFC 9112, 5.2)"),
        accepted(
            "permit_unconventional_http_method", "--permit-unconventional-http-method", "",
            "every method that is a token is passed on"),
        accepted(
            "permit_unconventional_http_version", "--permit-unconventional-http-version", "",
            "HTTP/1.0 and 1.1 are spoken, and any other 1.x as 1.1"),
        accepted("casefold_http_method", "--casefold-http-method", "", "methods are case-sensitive (RFC 9110, 9.1)"),
        accepted(
            "asgi_disconnect_grace_period", "--asgi-disconnect-grace-period", "seconds", harmless: ["3"],
            "an app learns of a disconnect by its event, and its task is left alone"),
        accepted("dirty_workers", "--dirty-workers", "int", harmless: ["0"], "see dirty_apps"),
        accepted("dirty_timeout", "--dirty-timeout", "seconds", harmless: ["300"], "see dirty_apps"),
        accepted("dirty_threads", "--dirty-threads", "int", harmless: ["1"], "see dirty_apps"),
        accepted("dirty_graceful_timeout", "--dirty-graceful-timeout", "seconds", harmless: ["30"], "see dirty_apps"),
        accepted("control_socket", "--control-socket", "path", noControl),
        accepted(
            "control_socket_mode", "--control-socket-mode", "mode", harmless: ["384", "0o600", "0600"],
            noControl),
        accepted("control_socket_disable", "--no-control-socket", "", harmless: ["true", "false"], noControl),
        refused(
            "strip_header_spaces", "--strip-header-spaces", "",
            "a space before the colon of a field is how requests are smuggled, and is answered with 400"),
        refused(
            "dirty_apps", "--dirty-app", "app...",
            "there are no dirty workers: run long work in a task queue or in a process of its own"),
    ]

    private static let noControl = "there is no control socket: the master obeys signals"

    /// - Parameter value: what stands for it in the help; empty for a switch, ending with `...` for what is repeatable.
    private static func accepted(
        _ name: String, _ flags: String, off: String = "", _ value: String, harmless: [String] = [],
        variable: String? = nil, _ reason: String
    ) -> Setting {
        Setting(
            name, flags, off: off, .gunicorn, .none(shape(value), harmless: harmless), value: value,
            variables: variable.map { [Variable($0)] } ?? [], verdict: .accepted(reason), "Without effect: \(reason).")
    }

    private static func refused(
        _ name: String, _ flags: String, _ value: String, harmless: [String] = [], _ reason: String
    ) -> Setting {
        Setting(
            name, flags, .gunicorn, .none(shape(value), harmless: harmless), value: value, verdict: .refused(reason),
            "Refused: \(reason).")
    }

    private static func shape(_ value: String) -> Kind.Shape {
        value.isEmpty ? .toggle : value.hasSuffix("...") ? .list : .value
    }
}

// The rows about being asked how the server is.

extension Setting {
    static let healthRows = [
        Setting(
            "health_path", "--health-path", .health, .texts(\.healthPaths, check: isPath), value: "path",
            "Path that the server answers without the app, with 200, or 503 while it stops; repeatable.",
            details: "The event loop of a worker answers, also beyond --connections: a few places more are kept for "
                + "it, where any other request gets 503. A worker that is only replaced says 200. Compared with the "
                + "path as it was sent."),
        Setting(
            "admin_bind", "--admin-bind", .health, .addresses(\.adminBinds), value: "address",
            "Where the server answers for itself: unix:PATH or HOST:PORT; repeatable.",
            details: "An admin process answers, with /status, /metrics, /healthz and more, also while every worker is "
                + "stuck. It also takes commands: reload, stop, scale, upgrade, reopen-logs. A socket file is for its "
                + "owner alone, which is that of --socket-owner, else --user; over TCP see --admin-token. Takes effect "
                + "at the next start."),
        Setting(
            "admin_token", "--admin-token", .health, .text(\.adminToken, check: isToken), value: "text",
            secret: true, "What whoever asks --admin-bind over TCP must show: Authorization: Bearer TEXT.",
            details: "Also as the password of any user, so that a browser asks for it. Without it, commands such as "
                + "/reload are taken over unix sockets only, and an address other than of this machine is open to "
                + "everybody who reaches it. Better in the environment, as EVGATEWAY_ADMIN_TOKEN, which the app does "
                + "not see, or in a file. Takes effect at the next start."),
    ]

    /// The reason must not show the value.
    static func isToken(_ text: String) throws(ValueError) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw ValueError("is to be of printable ASCII characters without a space")
        }
    }

    private static func isPath(_ text: String) throws(ValueError) {
        let isPath = text.hasPrefix("/") && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x3f && $0 != 0x23 }
        if !isPath { throw ValueError("'\(text)' is not a path such as /healthz") }
    }
}

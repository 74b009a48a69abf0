// The row about being asked how the server is.

extension Setting {
    static let healthRows = [
        Setting(
            "health_path", "--health-path", .health, .texts(\.healthPaths, check: isPath), value: "path",
            "Path that the server answers without the app, with 200, or 503 while it stops; repeatable.",
            details: "The event loop of a worker answers, also beyond --connections: a few places more are kept for "
                + "it, where any other request gets 503. A worker that is only replaced says 200. Compared with the "
                + "path as it was sent.")
    ]

    private static func isPath(_ text: String) throws(ValueError) {
        let isPath = text.hasPrefix("/") && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x3f && $0 != 0x23 }
        if !isPath { throw ValueError("'\(text)' is not a path such as /healthz") }
    }
}

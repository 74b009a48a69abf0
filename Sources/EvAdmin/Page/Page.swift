// The page at `/`: the status as people look at it, live. Law: it is of one piece with the server, asks nobody else for
// anything, and what clients have sent reaches it as text only; the policy in its head has the browser hold to that.

enum Page {
    struct File {
        let type: StaticString
        let bytes: [UInt8]
    }

    /// Nil for paths that are not of the page.
    static func file(_ path: String) -> File? {
        switch path {
        case "/": File(type: "text/html; charset=utf-8", bytes: Array(markup.utf8))
        case "/page.css": File(type: "text/css; charset=utf-8", bytes: Array(style.utf8))
        case "/page.js": File(type: "text/javascript; charset=utf-8", bytes: Array((script + tables + details).utf8))
        default: nil
        }
    }

    /// What an answer with a file has besides its type.
    static var fields: KeyValuePairs<StaticString, StaticString> {
        ["Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"]
    }

    /// What the browser may do for the page: ask this server, and nothing else.
    private static let policy: StaticString = """
        default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
        form-action 'none'; frame-ancestors 'none'
        """
}

// The page at `/`: the status as people look at it, live. Law: it is of one piece with the server, asks nobody else for
// anything, and what clients have sent reaches it as text only; the policy in its head has the browser hold to that.

import EvServer
import HTTPCore

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

    /// What the browser may do for the page: ask this server, and nothing else.
    fileprivate static let policy: StaticString = """
        default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
        form-action 'none'; frame-ancestors 'none'
        """
}

extension Exchange {
    func respond(_ file: Page.File) {
        let head = responseHead
        do throws(ResponseHeadError) {
            try head.pointee.begin(status: 200)
            try head.pointee.append("Content-Type", file.type)
            try head.pointee.append("Content-Security-Policy", Page.policy)
            try head.pointee.append("X-Content-Type-Options", "nosniff")
            try head.pointee.append("Referrer-Policy", "no-referrer")
            try head.pointee.append("Cache-Control", "no-store")
            file.bytes.withUnsafeBytes { respond(head.pointee, body: $0) }
        } catch {
            fail()
        }
    }
}

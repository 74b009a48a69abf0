// The values of the settings about proxies that are chosen from a list.

/// `--header-map`: what becomes of fields whose name has an underscore, for which WSGI has no name of their own.
package enum HeaderMap: String, CaseIterable, Sendable {
    /// The app does not get them.
    case drop
    /// The request is answered with 400.
    case refuse
    /// The app cannot tell `X_A` from `X-A`.
    case dangerous
}

/// `--trusted-proxy-headers`: a field that the proxies write.
package enum ProxyHeader: String, CaseIterable, Sendable {
    case client = "x-forwarded-for"
    case scheme = "x-forwarded-proto"
    case host = "x-forwarded-host"
    case port = "x-forwarded-port"
    case prefix = "x-forwarded-prefix"
    /// RFC 7239; excludes the others.
    case forwarded
}

/// `secure_scheme_headers`: a field, and the value with which it says that the client has spoken over TLS.
package struct SchemeHeader: Equatable, Sendable {
    package var name: String
    package var value: String
}

// `%({x}e)s` where the app has no environ, or was not called: the variable as CGI makes it of the request (RFC 3875,
// section 4.1), so that one format means the same in every worker class. What only an app can put there is `-`.

import EvLoop
import HTTPCore

extension AccessLog {
    /// Calls with the value of a variable, if the request has it.
    ///
    func withVariable(
        _ name: [UInt8], of exchange: Exchange?, _ record: AccessLogRecord, _ use: (UnsafeRawBufferPointer) -> Void
    ) {
        guard let exchange else {
            if String(decoding: name, as: UTF8.self).lowercased() == "remote_addr" { use(record.remoteAddress) }
            return
        }
        if !exchange.loggedVariables.isEmpty {
            guard let index = variables.firstIndex(of: name) else { return }
            let values = exchange.loggedVariables.split(
                separator: 0, maxSplits: index + 1, omittingEmptySubsequences: false)
            if index < values.count { values[index].withUnsafeBytes(use) }
            return
        }
        func text(_ text: String) {
            var text = text
            text.withUTF8 { use(UnsafeRawBufferPointer($0)) }
        }
        let head = exchange.head
        func field(_ variable: ArraySlice<UInt8>) {
            let name = variable.map { byte in
                byte == UInt8(ascii: "_") ? UInt8(ascii: "-") : 0x41...0x5A ~= byte ? byte | 0x20 : byte
            }
            withExtendedLifetime(head) {
                let field = head.fields.first { head.bytes(of: $0.name).equalsIgnoringCase(name) }
                if let field { use(head.bytes(of: field.value)) }
            }
        }
        switch String(decoding: name, as: UTF8.self).lowercased() {
        case "request_method": use(record.method)
        case "path_info": use(record.path)
        case "query_string": use(record.query)
        case "raw_uri": text(head.string(head.target))
        case "server_protocol": record.version.withUTF8Buffer { use(UnsafeRawBufferPointer($0)) }
        case "remote_addr": use(record.remoteAddress)
        case "remote_port": text(String(exchange.remote.port))
        case "wsgi.url_scheme": exchange.client.scheme.withUTF8Buffer { use(UnsafeRawBufferPointer($0)) }
        case "server_name": text(exchange.local.isUnix ? "localhost" : exchange.local.localAddress)
        case "server_port": text(exchange.local.isUnix ? "80" : String(exchange.local.port))
        case "content_type", "content_length": field(name[...])
        case let variable where variable.hasPrefix("http_"): field(name.dropFirst(5))
        default: break
        }
    }
}

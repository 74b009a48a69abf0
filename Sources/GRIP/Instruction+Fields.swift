// An instruction of the field lines of a response head.

extension Instruction {
    /// Reads the lines of an answer.
    ///
    /// - Parameters:
    ///   - lines: "Name: value" lines, each with its end.
    ///   - status: of the answer.
    package init(lines: [UInt8], status: Int = 200) throws(GRIPError) {
        var hasHold = false
        var hasTimeout = false
        var hasKeepAlive = false
        var hasStatus = false
        var hasType = false
        try forEachLine(lines) { (name, value) throws(GRIPError) in
            guard startsIgnoringCase(name, with: "Grip-") else {
                if !hasType, startsIgnoringCase(name, with: "Content-Type"), name.count == 12 {
                    hasType = true
                    let type = Parameters(value)?.first ?? []
                    awaitsJSON = type.elementsEqual("application/grip-instruct".utf8)
                }
                return
            }
            // As in Pushpin, the first line counts of a field that may stand there once.
            switch String(decoding: name, as: UTF8.self).lowercased() {
            case "grip-hold" where !hasHold:
                hasHold = true
                hold = try Self.mode(value)
            case "grip-channel":
                for member in Parameters.members(of: value) { try readChannel(member) }
            case "grip-timeout" where !hasTimeout:
                hasTimeout = true
                timeout = try Self.seconds(
                    Array(value), unreadable: "failed to parse Grip-Timeout",
                    invalid: "Grip-Timeout has invalid value")
            case "grip-expose-headers":
                exposed += Parameters.members(of: value).filter { !$0.isEmpty }.map(Array.init)
            case "grip-keep-alive" where !hasKeepAlive:
                hasKeepAlive = true
                if !value.isEmpty { keepAlive = try Self.keepAlive(value) }
            case "grip-set-meta":
                for member in Parameters.members(of: value) { try readMeta(member) }
            case "grip-status" where !hasStatus:
                hasStatus = true
                if !value.isEmpty { self.status = try Self.status(value) }
            case "grip-link":
                for member in Parameters.members(of: value) { try readLink(member) }
            default: break
            }
        }
        if awaitsJSON, status != 200 {
            throw GRIPError("response code for application/grip-instruct content must be 200")
        }
        settle()
    }

    private static func mode(_ value: ArraySlice<UInt8>) throws(GRIPError) -> HoldMode {
        if value.elementsEqual("response".utf8) { return .response }
        if value.elementsEqual("stream".utf8) { return .stream }
        throw GRIPError("Grip-Hold must be set to either 'response' or 'stream'")
    }

    private mutating func readChannel(_ member: ArraySlice<UInt8>) throws(GRIPError) {
        guard let parameters = Parameters(member) else { throw GRIPError("failed to parse Grip-Channel") }
        var channel = Channel(name: try checkedName(parameters.first, of: "a name in Grip-Channel"))
        if let id = parameters.value(of: "prev-id") {
            channel.previousID = try checkedText(id, "prev-id of channel '\(shown(channel.name))'", Limits.name)
        }
        let names = parameters.others.filter { $0.name.elementsEqual("filter".utf8) }.map(\.value)
        channel.filters = try Filter.list(names, of: channel.name)
        try append(channel)
    }

    private mutating func readMeta(_ member: ArraySlice<UInt8>) throws(GRIPError) {
        guard let entry = Parameters.list(member)?.first else { throw GRIPError("Grip-Set-Meta cannot be empty") }
        try meta.set(entry)
    }

    private static func keepAlive(_ value: ArraySlice<UInt8>) throws(GRIPError) -> KeepAlive {
        guard let parameters = Parameters(value), !parameters.first.isEmpty else {
            throw GRIPError("Grip-Keep-Alive cannot be empty")
        }
        let mode: KeepAlive.Mode
        let named = parameters.value(of: "mode") ?? []
        switch String(decoding: named, as: UTF8.self) {
        case "", "idle": mode = .idle
        case "interval": mode = .interval
        default: throw GRIPError("no such Grip-Keep-Alive mode '\(shown(named))'")
        }
        var timeout = defaultKeepAlive
        if let text = parameters.value(of: "timeout") {
            timeout = try seconds(
                text, unreadable: "failed to parse Grip-Keep-Alive timeout value",
                invalid: "Grip-Keep-Alive timeout has invalid value")
        }
        let format = parameters.value(of: "format") ?? []
        switch String(decoding: format, as: UTF8.self) {
        case "", "raw": return KeepAlive(data: parameters.first, timeout: timeout, mode: mode)
        case "cstring":
            guard let data = unescaped(parameters.first) else {
                throw GRIPError("failed to parse Grip-Keep-Alive cstring format")
            }
            return KeepAlive(data: data, timeout: timeout, mode: mode)
        case "base64":
            return KeepAlive(data: Base64.lenientlyDecoded(parameters.first), timeout: timeout, mode: mode)
        default: throw GRIPError("no such Grip-Keep-Alive format '\(shown(format))'")
        }
    }

    private static func status(_ value: ArraySlice<UInt8>) throws(GRIPError) -> Status {
        let space = value.firstIndex(of: 0x20) ?? value.endIndex
        guard let code = integer(Array(value[..<space])), (200...999).contains(code) else {
            throw GRIPError("Grip-Status contains invalid status code")
        }
        return Status(code: code, reason: Array(value[space...].dropFirst()))
    }

    private mutating func readLink(_ member: ArraySlice<UInt8>) throws(GRIPError) {
        guard let parameters = Parameters(member), !parameters.others.isEmpty else { return }
        guard parameters.first.count > 2, parameters.first.first == UInt8(ascii: "<"),
            parameters.first.last == UInt8(ascii: ">")
        else { throw GRIPError("failed to parse Grip-Link value") }
        let target = Array(parameters.first.dropFirst().dropLast())
        guard target.allSatisfy({ $0 > 0x20 && $0 != 0x7f }), target.count <= 8192 else {
            throw GRIPError("Grip-Link contains invalid link")
        }
        switch String(decoding: parameters.value(of: "rel") ?? [], as: UTF8.self) {
        case "next":
            var seconds = Self.defaultNext
            if let text = parameters.value(of: "timeout") {
                seconds = try Self.seconds(
                    text, unreadable: "failed to parse Grip-Link timeout value",
                    invalid: "Grip-Link timeout has invalid value")
            }
            next = NextLink(target: target, timeout: seconds)
        case "gone": gone = target
        default: break
        }
    }

    /// The escapes of C that Pushpin knows: \\ \r \n \xHH; nil where one is not complete.
    private static func unescaped(_ text: [UInt8]) -> [UInt8]? {
        var (bytes, rest): ([UInt8], ArraySlice<UInt8>) = ([], text[...])
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "\\"): bytes.append(UInt8(ascii: "\\"))
            case UInt8(ascii: "r"): bytes.append(0x0d)
            case UInt8(ascii: "n"): bytes.append(0x0a)
            case UInt8(ascii: "x"):
                guard rest.count >= 2,
                    let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16),
                    rest.first != UInt8(ascii: "+")
                else { return nil }
                bytes.append(code)
                rest = rest.dropFirst(2)
            case nil: return nil
            default: break  // another escape stands for nothing
            }
        }
        return bytes
    }

    // MARK: what the client sees

    /// The lines of an answer without GRIP's own, and without those that are not exposed.
    package func visible(_ lines: [UInt8]) -> [UInt8] {
        var visible: [UInt8] = []
        visible.reserveCapacity(lines.count)
        forEachLine(lines) { name, value in
            guard isVisible(name) else { return }
            visible += name
            visible += ": ".utf8
            visible += value
            visible += "\r\n".utf8
        }
        return visible
    }

    package func isVisible(_ name: some Collection<UInt8>) -> Bool {
        !startsIgnoringCase(name, with: "Grip-")
            && (exposed.isEmpty || exposed.contains { equalIgnoringCase($0, name) })
    }
}

// An instruction of the JSON that `application/grip-instruct` stands for.

import JSONText

extension Instruction {
    /// Reads the body of an answer, after its field lines: what stands there counts more than they.
    package mutating func read(json body: [UInt8]) throws(GRIPError) {
        guard let document = JSONValue(body) else {
            throw GRIPError("failed to parse application/grip-instruct content as JSON")
        }
        guard document.isObject else { throw GRIPError("instruct must be an object") }
        if let hold = document.member("hold") {
            guard hold.isObject else { throw GRIPError("instruct contains 'hold' with wrong type") }
            try readHold(hold)
        }
        var response = InstructedResponse()
        if let status {
            response.code = status.code
            response.reason = status.reason
        }
        if let said = document.member("response") {
            guard said.isObject else { throw GRIPError("instruct contains 'response' with wrong type") }
            try Self.read(said, into: &response)
        }
        self.response = response
        awaitsJSON = false
        settle()
    }

    private mutating func readHold(_ hold: JSONValue) throws(GRIPError) {
        switch try hold.optionalText("mode", in: "hold").map({ String(decoding: $0, as: UTF8.self) }) {
        case nil, "response": self.hold = .response
        case "stream": self.hold = .stream
        default: throw GRIPError("hold 'mode' must be set to either 'response' or 'stream'")
        }
        guard let list = hold.member("channels") else { throw GRIPError("hold does not contain 'channels'") }
        guard case .array(let channels) = list else { throw GRIPError("hold contains 'channels' with wrong type") }
        for channel in channels {
            guard channel.isObject else { throw GRIPError("channel is not an object") }
            var read = Channel(name: try checkedName(channel.requiredText("name", in: "channel"), of: "channel 'name'"))
            if let id = try channel.optionalText("prev-id", in: "channel") {
                read.previousID = try checkedText(id, "prev-id of channel '\(shown(read.name))'", Limits.name)
            }
            var names: [[UInt8]] = []
            for filter in try channel.optionalList("filters", in: "channel") ?? [] {
                guard let name = filter.utf8 else { throw GRIPError("filters contains value with wrong type") }
                names.append(name)
            }
            read.filters = try Filter.list(names, of: read.name)
            try append(read)
        }
        if let seconds = try hold.optionalInteger("timeout", in: "hold", Limits.seconds) { timeout = seconds }
        if let said = try hold.optionalObject("keep-alive", in: "hold") { keepAlive = try Self.keepAlive(said) }
        for entry in try hold.optionalMeta(in: "hold") { try meta.set(entry) }
    }

    private static func keepAlive(_ said: JSONValue) throws(GRIPError) -> KeepAlive {
        let data = try said.optionalContent("content", in: "keep-alive")?.bytes ?? []
        let seconds = try said.optionalInteger("timeout", in: "keep-alive", Limits.seconds) ?? defaultKeepAlive
        let mode = try said.optionalText("mode", in: "keep-alive") ?? []
        switch String(decoding: mode, as: UTF8.self) {
        case "idle": return KeepAlive(data: data, timeout: seconds, mode: .idle)
        // Pushpin does not know the member, and sends its keep-alives whatever else is sent.
        case "", "interval": return KeepAlive(data: data, timeout: seconds, mode: .interval)
        default: throw GRIPError("no such keep-alive mode '\(shown(mode))'")
        }
    }

    private static func read(_ said: JSONValue, into response: inout InstructedResponse) throws(GRIPError) {
        if let code = try said.optionalInteger("code", in: "response", 200...999) {
            response.code = code
            response.reason = []
        }
        let reason = try said.reason(in: "response")
        if !reason.isEmpty { response.reason = reason }
        response.fields = try said.optionalFields("headers", in: "response")
        response.body = try said.optionalContent("body", in: "response")?.bytes ?? []
    }
}

// The HTTP requests of the chat, and its JSON.
import EvGateway
import FoundationEssentials

extension Chat {
    nonisolated func answer(_ request: Request) -> Response {
        // The handler is on the loop's thread. Without an `await` here, a request is parked, and its task has ended,
        // before the next request is read. With one, the tasks of all clients that ask again would wait at once.
        switch Self.after(request.query) {
        case .none: LoopActor.assumeIsolated { newest() }
        case .some(nil): .error("after is a number of 1 to 18 digits", status: .badRequest)
        case .some(let id?): LoopActor.assumeIsolated { messages(after: id) }
        }
    }

    func post(_ request: Request) async throws -> Response {
        do {
            let said = try Said(json: try await request.body.collect(upTo: 16_384))
            return .json(#"{"id": \#(try publish(said.fields))}"#, status: .created)
        } catch let failure as RequestBodyFailure {
            return .error("the body did not come whole, or is longer than 16 KiB", status: failure.status)
        } catch let error as Said.Invalid {
            return .error(error.reason, status: .badRequest)
        } catch let error as FileError {
            Gateway.logger.warning("A message was refused: \(error)")
            return .error("the message could not be kept, try again", status: .serviceUnavailable)
        }
    }

    /// Returns nil if the parameter is missing, `.some(nil)` if it is not an id.
    private nonisolated static func after(_ query: String?) -> Int?? {
        for pair in (query ?? "").split(separator: "&") where pair == "after" || pair.hasPrefix("after=") {
            return .some(Message.id(pair.dropFirst("after=".count).utf8))
        }
        return .none
    }
}

/// A message that a client has posted.
private struct Said: Decodable {
    struct Invalid: Error { let reason: String }

    let name: String
    let text: String

    init(json: [UInt8]) throws(Invalid) {
        do { self = try JSONDecoder().decode(Said.self, from: Data(json)) } catch {
            throw Invalid(reason: #"expected a JSON object {"name": "...", "text": "..."}"#)
        }
        guard (1...40).contains(name.unicodeScalars.count) else { throw Invalid(reason: "name has 1 to 40 characters") }
        guard (1...2000).contains(text.unicodeScalars.count) else {
            throw Invalid(reason: "text has 1 to 2000 characters")
        }
    }

    /// `{"name":"ann","text":"hi"}`
    var fields: [UInt8] { Array(#"{"name":"\#(name.jsonEscaped)","text":"\#(text.jsonEscaped)"}"#.utf8) }
}

extension Response {
    private static let fields: HTTPFields = [.contentType: "application/json", .cacheControl: "no-store"]

    static func json(bytes: [UInt8], status: HTTPResponse.Status = .ok) -> Response {
        Response(status: status, headerFields: fields, body: .bytes(bytes))
    }

    static func json(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
        json(bytes: Array(text.utf8), status: status)
    }

    static func error(_ reason: String, status: HTTPResponse.Status) -> Response {
        var response = json(#"{"error": "\#(reason.jsonEscaped)"}"#, status: status)
        if status == .serviceUnavailable { response.headerFields[.retryAfter] = "1" }
        return response
    }
}

extension String {
    /// RFC 8259, section 7.
    fileprivate var jsonEscaped: String {
        var escaped = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\"", "\\":
                escaped += "\\\(scalar)"
            case "\n":
                escaped += "\\n"
            case "\u{0}"..<"\u{20}":
                let digits = String(scalar.value, radix: 16)
                escaped += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default:
                escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}

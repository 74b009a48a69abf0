// Publishing from a Swift app.

import EvHost
import GRIP

/// Why a message cannot be published, or a channel not be subscribed to.
public struct PublishingError: Error, Sendable, CustomStringConvertible {
    public let description: String
}

/// A message for everybody who is held on a channel: in one to three formats, of which a held request takes its own.
public struct Publication: Sendable {
    /// The id of this message, and of the one before it on the channel. They let a receiver notice a gap.
    public var id: String?
    public var previousID: String?
    /// For the filters of subscriptions: `sender`, `skip_users`, `require_sub`.
    public var meta: [String: String] = [:]
    private let content: Content

    private enum Content {
        case all([UInt8], isText: Bool)
        case json([UInt8])
    }

    /// The same text for long polls (`http-response`), streams (`http-stream`) and WebSockets (`ws-message`).
    public init(_ text: String) { content = .all(Array(text.utf8), isText: true) }

    /// The same bytes for all of them; to WebSockets they go as a binary message.
    public init(_ bytes: [UInt8]) { content = .all(bytes, isText: false) }

    /// Formats in JSON, by their names: `{"http-stream": {"content": "..."}}`; see
    /// [Pushpin's formats](https://pushpin.org/docs/protocols/grip/).
    public init(formats json: String) { content = .json(Array(json.utf8)) }

    func item(_ channel: String) throws(GRIPError) -> Item {
        var item: Item
        switch content {
        case .all(let bytes, let isText): item = try Item(channel: Array(channel.utf8), content: bytes, isText: isText)
        case .json(let formats): item = try Item(channel: Array(channel.utf8), formats: formats)
        }
        try item.describe(
            id: id.map { Array($0.utf8) }, previousID: previousID.map { Array($0.utf8) },
            meta: meta.sorted { $0.key < $1.key }.map { Field(name: Array($0.key.utf8), value: Array($0.value.utf8)) })
        return item
    }
}

extension Gateway {
    /// Sends a message to everybody who is held on a channel, in whichever worker of the server. It returns at once,
    /// and may be called on any thread.
    ///
    /// - Throws: ``PublishingError`` if the message cannot be published, or the process is no worker.
    public static func publish(_ publication: Publication, to channel: String) throws {
        do throws(GRIPError) {
            guard try Publishing.publish(try publication.item(channel)) else {
                throw GRIPError("this process is no worker of the server")
            }
        } catch {
            throw PublishingError(description: error.text)
        }
    }

    /// Sends a text in every format, as ``Publication/init(_:)-(String)`` has it.
    public static func publish(_ text: String, to channel: String) throws {
        try publish(Publication(text), to: channel)
    }
}

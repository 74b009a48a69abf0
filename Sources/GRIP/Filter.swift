// The filters of a subscription: whether a message goes to it, and with which content. Law: pure functions; what a
// filter cannot do keeps the message back, with a reason.

package enum Filter: String, Sendable, CaseIterable {
    /// Drops what the subscriber has sent itself: `user` of the subscription is `sender` of the message.
    case skipSelf = "skip-self"
    /// Drops where `user` of the subscription stands in `skip_users` of the message.
    case skipUsers = "skip-users"
    /// Drops where the channel that `require_sub` of the message names is not subscribed to.
    case requireSubscription = "require-sub"
    /// Replaces %I in a content by an id that `id_format` of the subscription describes.
    case buildID = "build-id"
    /// Replaces %(name)s in a content by the subscription's meta data of that name.
    case variables = "var-subst"

    /// Whether it changes contents. A message may name the filters that its content is made for.
    package var changesContent: Bool { self == .buildID || self == .variables }
    /// Whether it changes the answer with which a stream begins, too.
    package var changesResponse: Bool { self == .buildID }

    /// The filters of these names. Names that nobody knows are passed over, as in Pushpin; not so those that Pushpin
    /// knows, and with which messages would be kept back.
    package static func list(_ names: [[UInt8]], of channel: [UInt8]) throws(GRIPError) -> [Filter] {
        guard names.count <= Limits.filters else {
            throw GRIPError("too many filters for channel '\(shown(channel))'")
        }
        var filters: [Filter] = []
        for name in names {
            let text = String(decoding: name, as: UTF8.self)
            if let filter = Filter(rawValue: text) {
                filters.append(filter)
            } else if text == "http-check" || text == "http-modify" {
                throw GRIPError("filter '\(text)' of channel '\(shown(channel))' is not served")
            }
        }
        return filters
    }
}

/// What filters know beside the content.
package struct FilterContext: Sendable {
    package var subscription: Meta
    package var message: Meta
    /// The channels of the hold, each with the id that it has seen last.
    package var channels: [(name: [UInt8], previousID: [UInt8]?)]

    package init(
        subscription: Meta = [], message: Meta = [], channels: [(name: [UInt8], previousID: [UInt8]?)] = []
    ) {
        self.subscription = subscription
        self.message = message
        self.channels = channels
    }
}

package enum FilterVerdict: Equatable, Sendable {
    /// The content is sent as it is.
    case send
    case drop
    case changed([UInt8])
}

extension [Filter] {
    /// Asks each filter in turn, until one drops the message.
    ///
    /// - Throws: if a filter cannot make the content; the message is not sent then.
    package func verdict(on content: [UInt8], _ context: FilterContext) throws(GRIPError) -> FilterVerdict {
        var changed: [UInt8]?
        for filter in self {
            switch filter {
            case .skipSelf, .skipUsers, .requireSubscription:
                if filter.drops(context) { return .drop }
            case .buildID: changed = try filter.building(changed ?? content, context)
            case .variables:
                changed = try Template.filled(changed ?? content) { (directive, argument) throws(GRIPError) in
                    try Template.variable(directive, argument, context.subscription.value(of:))
                }
            }
        }
        return changed.map { .changed($0) } ?? .send
    }

    /// The names of those that change contents, for a message that says which its content is made for.
    package var contentFilterNames: [[UInt8]] { filter(\.changesContent).map { [UInt8]($0.rawValue.utf8) } }
}

extension Filter {
    fileprivate func drops(_ context: FilterContext) -> Bool {
        let user = context.subscription.value(of: "user") ?? []
        switch self {
        case .skipSelf: return !user.isEmpty && context.message.value(of: "sender") == user
        case .skipUsers:
            let skipped = context.message.value(of: "skip_users") ?? []
            return !user.isEmpty
                && skipped.split(separator: UInt8(ascii: ",")).contains { trimmed($0).elementsEqual(user) }
        case .requireSubscription:
            let required = context.message.value(of: "require_sub") ?? []
            return !required.isEmpty && !context.channels.contains { $0.name == required }
        case .buildID, .variables: return false
        }
    }

    fileprivate func building(_ content: [UInt8], _ context: FilterContext) throws(GRIPError) -> [UInt8] {
        guard let format = context.subscription.value(of: "id_format") else {
            throw GRIPError("no sub meta 'id_format'")
        }
        var id: [UInt8]?
        if !context.channels.isEmpty {
            do throws(GRIPError) {
                id = try Template.filled(format) { (directive, argument) throws(GRIPError) in
                    try Template.variable(directive, argument) { name in
                        context.channels.first { $0.name == name }?.previousID
                    }
                }
            } catch {
                throw GRIPError("failed to render ID: \(error.text)")
            }
        }
        var isHex = false
        if let encoding = context.subscription.value(of: "id_encoding") {
            guard encoding.elementsEqual("hex".utf8) else {
                throw GRIPError("unsupported encoding: \(shown(encoding))")
            }
            isHex = true
        }
        return try Template.filled(content) { (directive, argument) throws(GRIPError) in
            guard directive == UInt8(ascii: "I") else { throw Template.unknown(directive) }
            guard let value = argument ?? id else {
                throw GRIPError("No ID specified and no default ID in context")
            }
            return isHex ? Template.hex(value) : value
        }
    }
}

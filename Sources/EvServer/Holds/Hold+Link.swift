// A stream that goes on by its link: the app is asked where the link leads to, its answer becomes a part of the stream,
// and says what the stream listens on from then on. Law: the app is not asked twice at a time for one stream, and not
// more than a few times in vain.

import EvLoop
import GRIP
import HTTPCore
import Logging

extension Hold {
    /// Attempts before the stream ends.
    private static let mostRetries = 5

    /// The app is to be asked what the client has missed.
    func update() {
        guard mode == .stream else { return table?.turns.ask(self) ?? () }
        switch phase {
        case .holding where extras?.next != nil:
            _ = extras?.takeQueue()
            table?.turns.ask(self)
        case .opening: ownExtras.isStale = true
        case .asking: extras?.isStale = true
        case .holding, .queued, .ended: break
        }
    }

    func askByLink() {
        guard phase != .ended, let extras, let next = extras.next else { return }
        phase = .asking
        extras.isStale = false
        extras.linkDue = .infinity
        let link = LinkRequest(self, target: next.target, isLast: false)
        extras.link = link
        guard link.start("GET", lastIDs) else {
            extras.link = nil
            return linkFailed(hasSent: false)
        }
    }

    /// The head of the link's answer is there: what it instructs holds from now on.
    ///
    /// - Returns: false where it cannot be followed.
    func linkAnswers(_ instruction: Instruction) -> Bool {
        guard instruction.hold != .response, let extras, let table else { return false }
        let terms = HoldTerms.pack(
            instruction, VisibleAnswer(status: self.terms.status), .stream)
        table.change(self, to: terms)
        extras.meta = instruction.meta
        return true
    }

    /// The link's answer is over.
    func linkEnded(_ instruction: Instruction) {
        guard phase == .asking, let extras, let table else { return }
        extras.link = nil
        extras.retries = 0
        extras.active = []
        if let next = extras.next { extras.current = next.target }
        extras.next = instruction.next.flatMap { next in
            resolve(next.target, against: extras.current).map { NextLink(target: $0, timeout: next.timeout) }
        }
        guard instruction.hold == .stream else {
            guard extras.next != nil else { return endStream() }
            phase = .queued
            return askByLink()
        }
        phase = .holding
        table.subscribe(self, to: instruction.channels)
        enlistAgain()
        let queue = extras.takeQueue()
        if extras.isStale { return update() }
        var isFollowing = false
        for entry in queue where phase == .holding {
            guard let subscription = subscription(to: entry.channel) else { continue }
            // What does not follow what the app has said is known to it.
            if !isFollowing, let known = subscription.previousID, entry.item.item.previousID != known { continue }
            isFollowing = true
            stream(entry.item, on: entry.channel)
        }
    }

    /// Keeps the time of a keep-alive that has not come.
    private func enlistAgain() {
        let due = extras?.keepAliveDue ?? .infinity
        setDeadline()
        guard due.isFinite, terms.keepAlive != nil, let extras else { return }
        extras.keepAliveDue = min(due, extras.keepAliveDue)
    }

    func linkFailed(hasSent: Bool) {
        guard phase == .asking, let extras else { return }
        extras.link = nil
        guard !hasSent, extras.retries < Self.mostRetries else {
            base?.worker.logger.warning(
                "A held stream ends: its link gave no answer",
                metadata: ["link": "\(String(decoding: extras.next?.target ?? [], as: UTF8.self))"])
            return endStream()
        }
        let pause = Double(1 << extras.retries) + Double.random(in: 0..<1)
        extras.retries += 1
        extras.linkDue = EventLoop.monotonicNow() + pause
        followDue()
    }

    /// What an instruction says that few do.
    func keepExtras(of instruction: Instruction) {
        if !instruction.meta.isEmpty { ownExtras.meta = instruction.meta }
        if let body = exchange?.incoming?.copy {
            ownExtras.body = body
        } else if exchange?.incoming != nil {
            ownExtras.isBodyLost = true
        }
        guard instruction.next != nil || instruction.gone != nil, let head = exchange?.head else { return }
        let current = head.withBytes(of: head.target) { Array($0) }
        let extras = ownExtras
        extras.host = head.withBytes(of: head.authority) { Array($0) }
        extras.current = LinkTarget.resolve(current, against: [UInt8(ascii: "/")], host: extras.host) ?? current
        extras.gone = instruction.gone.flatMap { resolve($0, against: extras.current) }
        extras.next = instruction.next.flatMap { next in
            resolve(next.target, against: extras.current).map { NextLink(target: $0, timeout: next.timeout) }
        }
    }

    private func resolve(_ target: [UInt8], against current: [UInt8]) -> [UInt8]? {
        let resolved = LinkTarget.resolve(target, against: current, host: extras?.host ?? [])
        if resolved == nil {
            base?.worker.logger.error(
                "A Grip-Link leads to another server", metadata: ["link": "\(String(decoding: target, as: UTF8.self))"])
        }
        return resolved
    }
}

/// Where a link leads to, on this server (RFC 3986 5.2).
enum LinkTarget {
    /// - Parameters:
    ///   - current: path and query that the link is relative to.
    ///   - host: of the request.
    /// - Returns: path and query; nil for another server.
    static func resolve(_ link: [UInt8], against current: [UInt8], host: [UInt8]) -> [UInt8]? {
        var rest = link.prefix { $0 != UInt8(ascii: "#") }
        for scheme in ["http://", "https://", "//"] where rest.starts(with: scheme.utf8) {
            rest = rest.dropFirst(scheme.utf8.count)
            let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
            let authority = String(decoding: rest[..<end], as: UTF8.self).lowercased()
            guard authority == String(decoding: host, as: UTF8.self).lowercased() else { return nil }
            rest = rest[end...]
            if rest.first != UInt8(ascii: "/") { return [UInt8(ascii: "/")] + rest }
            return normalized(Array(rest))
        }
        if let colon = rest.firstIndex(of: UInt8(ascii: ":")),
            !rest[..<colon].contains(where: { "/?".utf8.contains($0) })
        {
            return nil
        }
        if rest.first == UInt8(ascii: "/") { return normalized(Array(rest)) }
        let path = current.prefix { $0 != UInt8(ascii: "?") }
        if rest.isEmpty { return current }
        if rest.first == UInt8(ascii: "?") { return Array(path) + rest }
        let folder = path.lastIndex(of: UInt8(ascii: "/")).map { path[...$0] } ?? [UInt8(ascii: "/")]
        return normalized(Array(folder) + rest)
    }

    /// Without segments of dots (section 5.2.4).
    private static func normalized(_ target: [UInt8]) -> [UInt8] {
        let end = target.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
        guard target[..<end].contains(UInt8(ascii: ".")) else { return target }
        let segments = target[..<end].split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).dropFirst()
        var kept: [ArraySlice<UInt8>] = []
        for (place, segment) in segments.enumerated() {
            let isLast = place == segments.count - 1
            if segment.elementsEqual(".".utf8) {
                if isLast { kept.append([]) }
            } else if segment.elementsEqual("..".utf8) {
                _ = kept.popLast()
                if isLast { kept.append([]) }
            } else {
                kept.append(segment)
            }
        }
        return kept.flatMap { [UInt8(ascii: "/")] + $0 } + target[end...]
    }
}

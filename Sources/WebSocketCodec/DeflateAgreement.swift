// permessage-deflate, as client and server agree upon it in the handshake (RFC 7692 sections 5 and 7.1).

package struct DeflateAgreement: Equatable, Sendable {
    /// A peer that keeps its context refers to what its earlier messages have said.
    package var serverKeepsContext = false
    package var clientKeepsContext = false
    /// The window of 2^bits bytes that a peer may refer back to.
    package var serverWindowBits: Int {
        get { Int(serverBits) }
        set { serverBits = UInt8(clamping: newValue) }
    }
    package var clientWindowBits: Int {
        get { Int(clientBits) }
        set { clientBits = UInt8(clamping: newValue) }
    }
    // In four bytes, which each of many thousand sockets keeps.
    private var serverBits: UInt8 = 15
    private var clientBits: UInt8 = 15

    package init() {}

    /// What is kept between two messages is kept in a window of 4 KB: above that, memory grows faster than ratios do.
    package static let keptWindowBits = 12

    /// Takes the first offer that can be had.
    ///
    /// - Parameters:
    ///   - offers: the lines of Sec-WebSocket-Extensions, joined with commas.
    ///   - keepsContext: contexts are kept where the client allows it.
    /// - Returns: nil for no compression; else the value of the answer's Sec-WebSocket-Extensions, too.
    package static func negotiate(
        _ offers: [UInt8], keepsContext: Bool
    ) -> (agreement: DeflateAgreement, answer: String)? {
        for offer in ExtensionOffer.read(offers) ?? [] where offer.name == "permessage-deflate" {
            guard let asked = Asked(offer) else { continue }
            return asked.answer(keepsContext: keepsContext)
        }
        return nil
    }

    /// The parameters of one offer.
    private struct Asked {
        var serverNoContextTakeover = false
        var clientNoContextTakeover = false
        var serverMaxWindowBits: Int?
        /// 15 for one without a value.
        var clientMaxWindowBits: Int?

        /// Nil for an offer with a parameter that is unknown, comes twice or has a value that it must not have: it is
        /// to be declined (section 7.1).
        init?(_ offer: ExtensionOffer) {
            var names: Set<String> = []
            for (name, value) in offer.parameters {
                guard names.insert(name).inserted else { return nil }
                switch (name, value) {
                case ("server_no_context_takeover", nil): serverNoContextTakeover = true
                case ("client_no_context_takeover", nil): clientNoContextTakeover = true
                case ("client_max_window_bits", nil): clientMaxWindowBits = 15
                case ("client_max_window_bits", let value?):
                    guard let bits = Self.windowBits[value] else { return nil }
                    clientMaxWindowBits = bits
                case ("server_max_window_bits", let value?):
                    guard let bits = Self.windowBits[value] else { return nil }
                    serverMaxWindowBits = bits
                default: return nil
                }
            }
        }

        private static let windowBits = Dictionary(uniqueKeysWithValues: (8...15).map { (String($0), $0) })

        func answer(keepsContext: Bool) -> (DeflateAgreement, String) {
            var agreement = DeflateAgreement()
            var answer = "permessage-deflate"
            agreement.serverKeepsContext = keepsContext && !serverNoContextTakeover
            // A client that does not let its window be limited would have 32 KB of it kept here.
            agreement.clientKeepsContext = keepsContext && !clientNoContextTakeover && clientMaxWindowBits != nil
            if !agreement.serverKeepsContext { answer += "; server_no_context_takeover" }
            if !agreement.clientKeepsContext { answer += "; client_no_context_takeover" }
            if agreement.serverKeepsContext { agreement.serverWindowBits = keptWindowBits }
            if let serverMaxWindowBits {
                agreement.serverWindowBits = min(serverMaxWindowBits, agreement.serverWindowBits)
                answer += "; server_max_window_bits=\(agreement.serverWindowBits)"
            }
            if agreement.clientKeepsContext, let clientMaxWindowBits {
                agreement.clientWindowBits = min(clientMaxWindowBits, keptWindowBits)
                answer += "; client_max_window_bits=\(agreement.clientWindowBits)"
            }
            return (agreement, answer)
        }
    }
}

import Testing
import WebSocketCodec

/// The value of the answer, without the extension's name; nil for no compression.
private func answer(_ offers: String, keepsContext: Bool = false) -> String? {
    DeflateAgreement.negotiate(Array(offers.utf8), keepsContext: keepsContext).map {
        String($0.answer.dropFirst("permessage-deflate".count))
    }
}

private let none = "; server_no_context_takeover; client_no_context_takeover"

@Suite struct DeflateAgreementTests {
    @Test(arguments: [
        ("permessage-deflate", none),
        ("permessage-deflate; client_max_window_bits", none),
        (
            "permessage-deflate; client_max_window_bits=10; server_max_window_bits=12",
            none + "; server_max_window_bits=12"
        ),
        ("permessage-deflate;server_max_window_bits=\"9\"", none + "; server_max_window_bits=9"),
        ("permessage-deflate; server_max_window_bits=\"1\\5\"", none + "; server_max_window_bits=15"),
        ("permessage-deflate; server_no_context_takeover ; client_no_context_takeover", none),
        ("x-other; a=\"b\"; c, , permessage-deflate", none),
        (
            "permessage-deflate; unknown, permessage-deflate; server_max_window_bits=8",
            none + "; server_max_window_bits=8"
        ),
    ])
    func anOfferIsAccepted(_ offers: String, _ expected: String) {
        #expect(answer(offers) == expected)
    }

    @Test(arguments: [
        "", "permessage-bzip2", "Permessage-Deflate", "permessage-deflate; unknown",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover=1", "permessage-deflate; client_no_context_takeover=\"\"",
        "permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16", "permessage-deflate; client_max_window_bits=08",
        "permessage-deflate; client_max_window_bits=+9", "permessage-deflate; client_max_window_bits=\"9 \"",
        // No list of extensions: none of it is believed.
        "permessage-deflate;", "permessage-deflate; =8", "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=\"8", "permessage-deflate a", "permessage-deflate, \"",
        "permessage-deflate, other; a=\"b,c\"",
    ])
    func anOfferIsDeclined(_ offers: String) {
        #expect(answer(offers) == nil)
    }

    @Test(arguments: [
        ("permessage-deflate", "; client_no_context_takeover"),
        ("permessage-deflate; client_max_window_bits", "; client_max_window_bits=12"),
        (
            "permessage-deflate; client_max_window_bits=15; server_max_window_bits=15",
            "; server_max_window_bits=12; client_max_window_bits=12"
        ),
        (
            "permessage-deflate; client_max_window_bits=8; server_max_window_bits=8",
            "; server_max_window_bits=8; client_max_window_bits=8"
        ),
        ("permessage-deflate; server_no_context_takeover", none),
        (
            "permessage-deflate; client_max_window_bits; client_no_context_takeover",
            "; client_no_context_takeover"
        ),
    ])
    func contextsAreKeptWhereBothWantIt(_ offers: String, _ expected: String) {
        #expect(answer(offers, keepsContext: true) == expected)
    }

    @Test func theAgreementIsWhatTheAnswerSays() {
        let offer = Array("permessage-deflate; client_max_window_bits=10; server_max_window_bits=13".utf8)
        var expected = DeflateAgreement()
        expected.serverWindowBits = 13
        #expect(DeflateAgreement.negotiate(offer, keepsContext: false)?.agreement == expected)
        (expected.serverKeepsContext, expected.clientKeepsContext) = (true, true)
        (expected.serverWindowBits, expected.clientWindowBits) = (12, 10)
        #expect(DeflateAgreement.negotiate(offer, keepsContext: true)?.agreement == expected)
    }
}

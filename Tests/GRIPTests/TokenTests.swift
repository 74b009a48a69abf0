import CTLS
import Testing

@testable import GRIP

private let code: TokenKey.Code = { key, message in
    var code = [UInt8](repeating: 0, count: 32)
    #expect(evg_tls_hmac_sha256(key, key.count, message, message.count, &code))
    return code
}

@Suite struct TokenTests {
    private func reason(_ token: String, _ secret: String = "secret", now: Int = 1000) -> String? {
        guard let key = TokenKey(secret, code: code) else { return "no key" }
        do throws(GRIPError) {
            try Token.check(utf8(token), key, now: now)
            return nil
        } catch {
            return error.text
        }
    }

    /// {"exp": 2000, "iss": "pushpin"} under "secret", made by Python's hmac and base64.
    private let known =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjIwMDAsImlzcyI6InB1c2hwaW4ifQ."
        + "8V_nnsDAIqBOO7S-zK2L1XjN89bK0QnDNBKsB3paEDw"

    @Test func othersReadWhatIsSigned() throws {
        let key = try #require(TokenKey("secret", code: code))
        #expect(text(Token.signed(issuer: "pushpin", until: 2000, key)) == known)
        let same = try #require(TokenKey("base64:c2VjcmV0", code: code))
        #expect(text(Token.signed(issuer: "pushpin", until: 2000, same)) == known)
        #expect(TokenKey("", code: code) == nil && TokenKey("base64:", code: code) == nil)
    }

    @Test func whatIsSignedIsTaken() {
        #expect(reason(known) == nil)
        #expect(reason(known, "base64:c2VjcmV0") == nil)
        #expect(reason(known, now: 2000) == "it has expired")
        #expect(reason(known, "other") == "its signature is wrong")
        #expect(reason(known.replacing("InB1", with: "InB2")) == "its signature is wrong")
        #expect(reason(String(known.dropLast())) == "not a JSON Web Token")
    }

    @Test func onlyOneAlgorithm() throws {
        let key = try #require(TokenKey("secret", code: code))
        func token(_ header: String, _ claims: String, isSigned: Bool = true) -> String {
            let message = Base64.urlEncoded(utf8(header)) + utf8(".") + Base64.urlEncoded(utf8(claims))
            return text(message + utf8(".") + (isSigned ? Base64.urlEncoded(code(utf8("secret"), message)) : []))
        }
        #expect(reason(token(#"{"alg":"HS256"}"#, #"{"exp":2000}"#)) == nil)
        #expect(reason(token(#"{"alg":"none"}"#, #"{"exp":2000}"#, isSigned: false)) == "its algorithm is not HS256")
        #expect(reason(token(#"{"alg":"HS512"}"#, #"{"exp":2000}"#)) == "its algorithm is not HS256")
        #expect(reason(token(#"{"alg":"HS256"}"#, #"{"exp":2000}"#, isSigned: false)) == "its signature is wrong")
        #expect(reason(token(#"{"alg":"HS256"}"#, "{}")) == "it has no time of expiry")
        #expect(reason(token(#"{"alg":"HS256"}"#, #"{"exp":"2000"}"#)) == "it has no time of expiry")
        #expect(reason(token(#"{"alg":"HS256"}"#, #"{"exp":2000,"nbf":1500}"#)) == "it is not valid yet")
        for text in ["", ".", "..", "a.b.c", "a.b", known + ".", known + "=", " " + known] {
            #expect(reason(text) == "not a JSON Web Token", "\(text)")
        }
    }

    @Test func tokensAreMadeAnew() throws {
        let key = try #require(TokenKey("secret", code: code))
        var renewed = RenewedToken(issuer: "pushpin", key: key)
        let first = renewed.token(now: 10_000)
        #expect(renewed.token(now: 10_599) == first)
        let second = renewed.token(now: 10_600)
        #expect(second == Token.signed(issuer: "pushpin", until: 14_200, key) && second != first)
        #expect(renewed.token(now: 5_000) == Token.signed(issuer: "pushpin", until: 8_600, key))
    }
}

import EvLoop
import EvSettings
import Testing

@Suite struct TLSRowsTests {
    @Test(
        arguments: [
            ([], []), (["--certfile", "c"], ["127.0.0.1:8000"]), (["--protocol", "http"], []),
            (["--certfile", "c", "-b", "http://:1,https://:2,:3"], ["0.0.0.0:2", "0.0.0.0:3"]),
            (["--certfile", "c", "--protocol", "uwsgi", "-b", ":1,https://:2"], ["0.0.0.0:2"]),
            (["--certfile", "c", "--protocol", "https", "-b", "unix:/a,http://:1"], ["unix:/a"]),
        ] as [([String], [String])])
    func httpIsSpokenOverTLSWhereThereIsACertificate(words: [String], expected: [String]) throws {
        #expect(try configured(words).secureAddresses.map(\.text) == expected)
    }

    @Test(arguments: [
        (["-b", "https://:1"], "--bind: https://0.0.0.0:1 needs --certfile"),
        (["--protocol", "https", "-b", ":1"], "--bind: https://0.0.0.0:1 needs --certfile"),
        (["--keyfile", "k"], "--keyfile: needs --certfile"), (["--sni-dir", "d"], "--sni-dir: needs --certfile"),
        (["--ocsp-file", "o"], "--ocsp-file: needs --certfile"),
        (["--cert-reqs", "2", "--ca-certs", "a"], "--cert-reqs: needs --certfile"),
        (["--certfile", "c", "--cert-reqs", "1"], "--cert-reqs: needs --ca-certs"),
        (["--cert-reqs", "3"], "--cert-reqs: '3' is unknown: choose none, optional or required"),
        (["--ssl-min-version", "1.1"], "--ssl-min-version: '1.1' is unknown: choose 1.2 or 1.3"),
        (["--ssl"], "unknown option '--ssl': write --certfile FILE and --keyfile FILE"),
    ])
    func whatIsMissingIsNamed(words: [String], reason: String) {
        let error = #expect(throws: ConfigurationError.self) { try configured(words) }
        #expect(error?.description == reason)
    }

    @Test(arguments: [
        ("1.2", 0x0303), ("TLSv1.3", 0x0304), ("TLSv1_2", 0x0303), ("tls1.3", 0x0304), ("13", 0x0304),
    ])
    func versionsHaveSeveralNames(text: String, version: Int) throws {
        #expect(try configured(["--ssl-min-version", text]).minimumTLSVersion == version)
    }

    @Test(arguments: [
        ("0", ClientCertificates.none), ("1", .optional), ("2", .required), ("CERT_REQUIRED", .required),
        ("optional", .optional),
    ])
    func pythonsNumbersAreKnown(text: String, asked: ClientCertificates) throws {
        #expect(
            try configured(["--certfile", "c", "--ca-certs", "a", "--cert-reqs", text]).clientCertificates == asked)
    }

    @Test func namesOfOtherServersMeanTheSame() throws {
        let found = try configured([
            "--ssl-certfile", "c", "--ssl-keyfile", "k", "--ssl-keyfile-password", "p", "--ssl-ca-certs", "a",
            "--verify-mode", "CERT_OPTIONAL", "--ssl-ciphers", "x", "--ssl-protocol-min", "tls1.3",
        ])
        #expect(found.certificateFile == "c" && found.keyFile == "k" && found.keyPassword == "p")
        #expect(found.authoritiesFile == "a" && found.clientCertificates == .optional && found.ciphers == "x")
        #expect(found.minimumTLSVersion == 0x0304)
    }
}

// What an app is told of TLS, in the form in which C takes it. Made once for a connection, by its first request.

import CPythonBridge
import EvLoop
import EvServer

/// Memory for C, which lives as long as the facts.
final class TLSDescription {
    let record: UnsafeMutablePointer<evg_py_tls>
    private var texts: [UnsafeMutableRawBufferPointer] = []
    private let chain: UnsafeMutablePointer<evg_py_text>

    init(_ facts: TLSFacts) {
        record = .allocate(capacity: 1)
        record.initialize(to: evg_py_tls())
        chain = .allocate(capacity: max(facts.clientChain.count, 1))
        for (place, pem) in facts.clientChain.enumerated() { (chain + place).initialize(to: copy(pem)) }
        record.pointee.chain = UnsafePointer(chain)
        record.pointee.chain_count = facts.clientChain.count
        record.pointee.version = Int32(clamping: facts.version)
        record.pointee.cipher = Int32(clamping: facts.cipher)
        let client = facts.client
        let values: [(Int, String?)] = [
            (EVG_PY_TLS_HTTPS, "on"), (EVG_PY_TLS_PROTOCOL, facts.versionName), (EVG_PY_TLS_CIPHER, facts.cipherName),
            (EVG_PY_TLS_NAME, facts.serverName), (EVG_PY_TLS_VERIFY, client == nil ? "NONE" : "SUCCESS"),
            (EVG_PY_TLS_SUBJECT, client?.subject), (EVG_PY_TLS_ISSUER, client?.issuer),
            (EVG_PY_TLS_SERIAL, client?.serial), (EVG_PY_TLS_START, client?.notBefore),
            (EVG_PY_TLS_END, client?.notAfter), (EVG_PY_TLS_PEM, client?.pem),
        ]
        let copies = values.map { ($0, $1.map(copy) ?? .none) }
        withUnsafeMutableBytes(of: &record.pointee.values) { bytes in
            let places = bytes.bindMemory(to: evg_py_text.self)
            for (place, text) in copies where places.indices.contains(place) { places[place] = text }
        }
    }

    deinit {
        for text in texts { text.deallocate() }
        chain.deallocate()
        record.deallocate()
    }

    private func copy(_ text: String) -> evg_py_text {
        let bytes = Array(text.utf8)
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count, 1), alignment: 1)
        copy.copyBytes(from: bytes)
        texts.append(copy)
        return evg_py_text(UnsafeRawBufferPointer(rebasing: copy[..<bytes.count]))
    }
}

extension Exchange {
    /// Says nothing where a proxy alone has spoken over TLS.
    func describeTLS(_ request: UnsafeMutablePointer<evg_py_request>) {
        guard let stream = connection.secureStream, let facts = stream.facts else { return }
        let known = facts.attachment as? TLSDescription
        let description = known ?? TLSDescription(facts)
        if known == nil { facts.attachment = description }
        request.pointee.tls = UnsafePointer(description.record)
        request.pointee.tls_certificate = stream.serverCertificate
    }
}

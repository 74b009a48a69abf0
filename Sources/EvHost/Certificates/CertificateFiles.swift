// The files that TLS is spoken with, read in the master, which may read keys that its workers may not.

import EvServer
import EvSettings
import Glibc

extension Settings {
    /// What the files hold.
    ///
    /// - Parameter ticketSecret: see `TLSMaterial`.
    /// - Returns: nil where TLS is not spoken.
    /// - Throws: for a file that cannot be read.
    func tlsMaterial(ticketSecret: [UInt8]) throws(ConfigurationError) -> TLSMaterial? {
        let configuration = configuration
        guard let chainFile = configuration.certificateFile else { return nil }
        let chain = try file(chainFile, "certfile")
        let keyFile = configuration.keyFile ?? chainFile
        let key = try file(keyFile, "keyfile")
        var standard = TLSMaterial.Identity(chainName: chainFile, chain: chain, keyName: keyFile, key: key)
        if let name = configuration.stapleFile { standard.staple = try file(name, "ocsp_file") }
        var material = TLSMaterial(standard, ticketSecret: ticketSecret)
        if let folder = configuration.certificateFolder { material.named = try identities(in: folder) }
        material.password = configuration.keyPassword
        material.ciphers = configuration.ciphers
        material.minimumVersion = configuration.minimumTLSVersion
        material.protocols = configuration.httpProtocols.map(\.applicationProtocol)
        material.clients = configuration.clientCertificates.asked
        if let name = configuration.authoritiesFile { material.authorities = try file(name, "ca_certs") }
        return material
    }

    /// The material as it is used. Throws for a part that OpenSSL does not take.
    func tlsServer(_ material: TLSMaterial) throws(ConfigurationError) -> TLSServer {
        do throws(TLSError) {
            return try TLSServer(material)
        } catch {
            throw failure(error.part.setting, error.reason)
        }
    }

    /// `NAME.pem`, or `NAME/fullchain.pem` and `NAME/privkey.pem`, as certbot names them.
    private func identities(in folder: String) throws(ConfigurationError) -> [String: TLSMaterial.Identity] {
        guard FilePath.isFolder(folder) else { throw failure("sni_dir", "there is no folder \(folder)") }
        var found: [String: TLSMaterial.Identity] = [:]
        for (entry, _) in FilePath.entries(of: folder).sorted(by: { $0.0 < $1.0 }) where !entry.hasPrefix(".") {
            let path = FilePath.absolute(entry, in: folder)
            if FilePath.isFolder(path) {
                let (chain, key) = (path + "/fullchain.pem", path + "/privkey.pem")
                guard FilePath.exists(chain) else { continue }
                found[serverName(entry)] = TLSMaterial.Identity(
                    chainName: chain, chain: try file(chain, "sni_dir"), keyName: key, key: try file(key, "sni_dir"))
            } else if entry.hasSuffix(".pem") {
                let bytes = try file(path, "sni_dir")
                found[serverName(String(entry.dropLast(4)))] = TLSMaterial.Identity(
                    chainName: path, chain: bytes, keyName: path, key: bytes)
            }
        }
        return found
    }

    private func serverName(_ name: String) -> String {
        let name = name.lowercased()
        return name.hasPrefix("_.") ? "*" + name.dropFirst() : name
    }

    private func file(_ name: String, _ setting: String) throws(ConfigurationError) -> [UInt8] {
        let descriptor = open(name, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw failure(setting, "cannot read \(name): \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        guard let bytes = FileBytes.read(descriptor) else {
            throw failure(setting, "cannot read \(name): it is no file, or too large")
        }
        return bytes
    }

    private func failure(_ setting: String, _ reason: String) -> ConfigurationError {
        ConfigurationError(label(of: setting), reason: reason)
    }
}

/// The bytes of small files.
enum FileBytes {
    /// No certificate, and no list of them, is larger.
    private static let most = 16 << 20

    /// From the start of a file to its end; nil where that cannot be read.
    static func read(_ descriptor: Int32) -> [UInt8]? {
        var bytes: [UInt8] = []
        return withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) { buffer in
            while bytes.count < most {
                let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(bytes.count))
                if count < 0, errno == EINTR { continue }
                // A pipe cannot be read at a place of its own.
                guard count >= 0 else { return nil }
                if count == 0 { return bytes }
                bytes += buffer[..<count]
            }
            return nil
        }
    }
}

extension ClientCertificates {
    fileprivate var asked: TLSMaterial.ClientCertificates {
        switch self {
        case .none: .none
        case .optional: .optional
        case .required: .required
        }
    }
}

extension TLSError.Part {
    /// By which a file was named that cannot be used.
    fileprivate var setting: String {
        switch self {
        case .certificate, .memory: "certfile"
        case .key: "keyfile"
        case .password: "keyfile_password"
        case .authorities: "ca_certs"
        case .ciphers: "ciphers"
        case .version: "ssl_min_version"
        }
    }
}

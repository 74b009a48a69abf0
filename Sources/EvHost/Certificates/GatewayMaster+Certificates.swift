// Certificates as a part of the master: when they are read, and what the workers are told.

import EvServer
import EvSettings
import EvSupervisor
import Logging

/// What a worker has of the certificates.
struct WorkerCertificates {
    /// Those of the moment when it was forked; nil where TLS is not spoken.
    let server: TLSServer?
    /// Where the master writes later ones; -1 for nowhere.
    let descriptor: Int32
}

extension GatewayMaster {
    /// Reads the files and tries them out; nil where TLS is not spoken.
    func loadCertificates(
        _ settings: Settings
    ) throws(ConfigurationError) -> (material: TLSMaterial, server: TLSServer)? {
        guard let material = try settings.tlsMaterial(ticketSecret: certificates.ticketSecret) else { return nil }
        return (material, try settings.tlsServer(material))
    }

    func watchCertificates(_ logs: ProcessLogs) {
        guard certificates.material != nil, let loop = supervisor?.loop else { return certificates.stopWatching() }
        certificates.watch(CertificateWatch(settings), loop, logs.logger) { [unowned self] in
            certificatesChanged(logs)
        }
    }

    /// Something has changed in a folder of theirs.
    private func certificatesChanged(_ logs: ProcessLogs) {
        do throws(ConfigurationError) {
            let fresh = try loadCertificates(settings)
            guard fresh?.material != certificates.material else { return }
            certificates.take(fresh)
            supervisor?.tellWorkers(.certificates)
            logs.logger.info("Certificates have changed and are used from now on")
        } catch {
            logs.logger.error("Certificates have changed and cannot be used: \(error); those of before stay")
        }
        // Links may lead to other folders now.
        watchCertificates(logs)
    }
}

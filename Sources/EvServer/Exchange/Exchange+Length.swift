// What is said of apps that send another number of bytes than they have announced.

import EvLoop
import HTTPCore
import Logging

extension Exchange {
    /// The app had more bytes than it announced. Not for HEAD, whose apps send what they send for GET.
    package func warnOfOverrun() {
        guard !head.isHead else { return }
        worker.logger.warning(
            "The app sent more bytes than its Content-Length; the rest is dropped", metadata: requestMetadata)
    }

    func warnOfShortage() {
        worker.logger.warning("The app sent fewer bytes than its Content-Length", metadata: requestMetadata)
    }
}

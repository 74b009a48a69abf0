// With `--reload`, a worker whose app cannot be loaded answers with the reason, and waits for the file to be mended.
// Plain text: what an app's traceback says is never markup.

import EvLoop
import EvServer

final class FailedApplication: Application {
    private let text: [UInt8]

    init(_ error: ApplicationError) {
        text = Array("The app cannot be loaded: \(error)\n\n\(error.details ?? "")".utf8)
    }

    @LoopActor func begin(_ exchange: Exchange) {
        exchange.appWasCalled()
        exchange.respond(status: 500, plainText: text)
        exchange.taskEnded()
    }
}

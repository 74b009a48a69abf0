// A WSGI callable on greenlets, the loop as a guest of gevent's hub.

import EvGateway
import EvLoop
import EvServer

extension PythonHost {
    @LoopActor func loadGevent(
        _ configuration: GatewayConfiguration, _ worker: WorkerEnvironment
    ) throws(ApplicationError) -> LoadedApplication {
        throw ApplicationError("worker class '\(configuration.workerClass.rawValue)' is not available yet")
    }
}

// A WSGI callable on a pool of Python threads.

import EvGateway
import EvLoop
import EvServer

extension PythonHost {
    @LoopActor func loadThreads(
        _ configuration: GatewayConfiguration, _ worker: WorkerEnvironment
    ) throws(ApplicationError) -> LoadedApplication {
        throw ApplicationError("worker class '\(configuration.workerClass.rawValue)' is not available yet")
    }
}

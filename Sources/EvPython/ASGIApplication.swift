// An ASGI callable on asyncio, the loop as its guest.

import EvGateway
import EvLoop
import EvServer

extension PythonHost {
    @LoopActor func loadASGI(
        _ configuration: GatewayConfiguration, _ worker: WorkerEnvironment
    ) throws(ApplicationError) -> LoadedApplication {
        throw ApplicationError("worker class '\(configuration.workerClass.rawValue)' is not available yet")
    }
}

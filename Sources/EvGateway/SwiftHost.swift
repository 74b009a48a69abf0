// Hosts a Swift handler: the program that links this library is the app.

import EvHost
import EvLoop
import EvServer
import EvSettings
import Synchronization

final class SwiftHost: ApplicationHost {
    enum Handler {
        case ready(RequestHandler)
        case immediate(ImmediateHandler)
        case made(by: @Sendable () async throws -> RequestHandler)
    }

    let kind = AppKind.swift
    let name = "Swift"
    private let handler: Handler

    init(_ handler: Handler) { self.handler = handler }

    func configured(_ settings: SettingsInForce) { Gateway.install(settings.logger) }

    @LoopActor func makeApplication(
        _ configuration: GatewayConfiguration, worker: WorkerEnvironment
    ) throws(ApplicationError) -> LoadedApplication {
        Gateway.slot.withLock { $0 = worker.slot }
        return switch handler {
        case .ready(let handler):
            LoadedApplication(application: SwiftApplication(handler), description: "Swift handler")
        case .immediate(let handler):
            LoadedApplication(application: SwiftApplication(immediate: handler), description: "Swift handler")
        case .made(let make):
            LoadedApplication(description: "Swift handler") { SwiftApplication(try await make()) }
        }
    }
}

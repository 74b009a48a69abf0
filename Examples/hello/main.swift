// The smallest app: one answer to every request.
import EvGateway

Gateway.main { _ in Response("Hello, World!") }

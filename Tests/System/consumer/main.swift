// Answers with the path of the request.
import EvGateway

Gateway.main { request in Response("Hello from \(request.path)") }

import EvTestSupport
@testable import GatewayProtocols
import Testing

/// The variables of one request: `want` is the head that comes of them, or the code of the error.
struct GatewayCase: Decodable, Sendable, CustomStringConvertible {
    let name: String
    let variables: [[String]]
    let want: String
    let prefix: Int
    let open: Bool

    var description: String { name }

    static let all: [GatewayCase] = CorpusFile.load("gateway-requests")
}

@Suite struct GatewayRequestTests {
    private func variables(_ pairs: [[String]]) throws -> GatewayVariables {
        var variables = GatewayVariables()
        for pair in pairs {
            try variables.append(
                name: CorpusFile.expand(pair[0]), value: CorpusFile.expand(pair[1]), GatewayVariables.Limits())
        }
        return variables
    }

    @Test func corpusIsLarge() {
        #expect(GatewayCase.all.count > 80 && Set(GatewayCase.all.map(\.name)).count == GatewayCase.all.count)
    }

    @Test(arguments: GatewayCase.all)
    func headIsThatOfTheVariables(_ example: GatewayCase) throws {
        let variables = try variables(example.variables)
        do throws(GatewayError) {
            let request = try GatewayRequest(variables, hasOpenBody: example.open)
            #expect(latin1(request.head) == example.want)
            #expect(request.prefixCount == example.prefix)
        } catch {
            #expect("\(error)" == example.want)
        }
    }

    @Test func whoAndWhere() throws {
        func request(_ more: [[String]]) throws -> GatewayRequest {
            try GatewayRequest(variables([["REQUEST_METHOD", "GET"], ["PATH_INFO", "/"]] + more))
        }
        let told = try request([
            ["REMOTE_ADDR", "2001:db8::1"], ["REMOTE_PORT", "5"], ["SERVER_PORT", "443"], ["HTTPS", "on"],
            ["CONTENT_LENGTH", "7"],
        ])
        #expect(told.remoteAddress == Array("2001:db8::1".utf8) && told.remotePort == 5 && !told.isLocal)
        #expect(told.serverPort == 443 && told.isSecure && told.contentLength == 7)
        let local = try request([["REMOTE_ADDR", "unix:"], ["REMOTE_PORT", ""]])
        #expect(local.remoteAddress == nil && local.isLocal && local.serverPort == nil && local.contentLength == nil)
        let untold = try request([])
        #expect(untold.remoteAddress == nil && !untold.isLocal && !untold.isSecure)
        for (pair, isSecure) in [
            (["HTTPS", "off"], false), (["HTTPS", "1"], true), (["HTTPS", "ON"], true),
            (["REQUEST_SCHEME", "https"], true), (["REQUEST_SCHEME", "http"], false),
        ] { #expect(try request([pair]).isSecure == isSecure) }
    }

    @Test func lineForTheLog() throws {
        #expect(try latin1(variables([["REQUEST_METHOD", "A"], ["PATH_INFO", "/b"]]).requestLine) == "A /b ")
        #expect(GatewayVariables().requestLine == Array("  ".utf8))
    }
}

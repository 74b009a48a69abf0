import EvGateway
import EvServer
import HTTP1
import HTTPTypes
import Testing

/// The messages on one connection, as a client sees them.
@Suite struct MessageTests {
    @Test func answersARequest() async throws {
        let client = try await TestServer(testApp).connect()
        client.send(getHello)
        let answer = client.receive(until: "World!")
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(answer.contains("\r\nContent-Length: 13\r\n"))
        #expect(answer.contains("\r\nDate: "))
        #expect(answer.contains("\r\nServer: evgateway\r\n"))
        #expect(!answer.contains("Connection:"))
    }

    @Test func answersARequestThatArrivesByteByByte() async throws {
        let client = try await TestServer(testApp).connect()
        for byte in getHello.utf8 { client.send([byte]) }
        #expect(client.receive(until: "World!").hasPrefix("HTTP/1.1 200 OK\r\n"))
    }

    @Test func servesPipelinedRequestsInOrder() async throws {
        let client = try await TestServer(testApp).connect()
        client.send((0..<20).map { "GET /target?\($0) HTTP/1.1\r\nHost: test\r\n\r\n" }.joined())
        client.send("GET /target?end HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        let answers = client.receiveToEnd()
        let bodies = answers.ranges(of: "/target?").map { range in
            String(answers[range.upperBound...].prefix { $0.isNumber || $0 == "e" })
        }
        let expected = (0..<20).map { String($0) } + ["e"]
        #expect(bodies == expected)
    }

    @Test func servesPipelinedRequestsThatSuspend() async throws {
        let client = try await TestServer(testApp).connect()
        let post = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\n"
        client.send(post + "abc" + post + "def" + "GET /stream HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        let answers = client.receiveToEnd()
        let abc = try #require(answers.ranges(of: "\r\n\r\nabc").first)
        let def = try #require(answers.ranges(of: "\r\n\r\ndef").first)
        #expect(abc.lowerBound < def.lowerBound)
        #expect(answers.hasSuffix("3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"))
    }

    @Test func echoesAChunkedBody() async throws {
        let client = try await TestServer(testApp).connect()
        client.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        client.send("5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: dropped\r\n\r\n")
        #expect(client.receiveToEnd().hasSuffix("\r\n\r\nhello!"))
    }

    @Test func sendsNoBodyToHead() async throws {
        let client = try await TestServer(testApp).connect()
        client.send("HEAD /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        let answer = client.receiveToEnd()
        #expect(answer.contains("Content-Length: 13\r\n"))
        #expect(answer.hasSuffix("\r\n\r\n"))
    }

    @Test func sendsContinueWhenTheAppReadsTheBody() async throws {
        let client = try await TestServer(testApp).connect()
        client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        #expect(client.receive(until: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
        client.send("ok")
        #expect(client.receive(until: "\r\n\r\nok").hasPrefix("HTTP/1.1 200 OK\r\n"))
    }

    @Test func sendsNoContinueWhenTheAppAnswersWithoutReading() async throws {
        let client = try await TestServer(testApp).connect()
        client.send("POST /hello HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        let answer = client.receiveToEnd()
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(answer.contains("Connection: close\r\n"))
    }

    /// The first bytes come with the head, the rest after the answer.
    @Test(arguments: [
        ("Content-Length: 5", "ab", "cde"),
        ("Transfer-Encoding: chunked", "5\r\nab", "cde\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nabcde\r\n0\r\n\r\n", ""),
    ])
    func swallowsAShortBodyThatNobodyRead(_ framing: String, _ first: String, _ rest: String) async throws {
        let client = try await TestServer(testApp).connect()
        client.send("POST /hello HTTP/1.1\r\nHost: test\r\n\(framing)\r\n\r\n\(first)")
        #expect(!client.receive(until: "World!").contains("Connection: close"))
        client.send(rest + getHello)
        #expect(client.receive(until: "World!").hasPrefix("HTTP/1.1 200 OK\r\n"))
    }

    /// Counted with the framing: chunks of one byte with a long extension each cost as much to read as data.
    @Test(arguments: [
        "40\r\n\(String(repeating: "x", count: 64))\r\n", "1;\(String(repeating: "x", count: 64))\r\nx\r\n",
    ])
    func swallowsNoChunkedBodyWithoutEnd(_ chunk: String) async throws {
        let server = try await TestServer({ ($0.drainLimit, $0.lingerTimeout) = (1024, 0) }, testApp)
        let client = await server.connect()
        client.send("POST /hello HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
        _ = client.receive(until: "World!")
        client.send(String(repeating: chunk, count: 32))
        #expect(client.receiveToEnd().isEmpty)
    }

    @Test func answersHTTP10WithACloseDelimitedStream() async throws {
        let client = try await TestServer(testApp).connect()
        client.send("GET /stream HTTP/1.0\r\n\r\n")
        let answer = client.receiveToEnd()
        #expect(!answer.contains("Transfer-Encoding"))
        #expect(answer.hasSuffix("\r\n\r\nonetwothree"))
    }

    @Test func sendsFieldsBehindTheBodyToWhoAsksForThem() async throws {
        let server = try await TestServer(testApp)
        for (field, end) in [("TE: trailers\r\n", "0\r\nX-Sum: 1\r\n\r\n"), ("", "0\r\n\r\n")] {
            let client = await server.connect()
            client.send("GET /trailers HTTP/1.1\r\nHost: test\r\n\(field)Connection: close\r\n\r\n")
            #expect(client.receiveToEnd().hasSuffix("\r\n\r\n3\r\none\r\n\(end)"))
        }
    }

    @Test func neverReadsTheBytesOfARefusedRequestAsTheNext() async throws {
        let client = try await TestServer(testApp).connect()
        client.send(
            "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n" + getHello)
        let answer = client.receiveToEnd()
        #expect(answer.hasPrefix("HTTP/1.1 400 "))
        #expect(answer.contains("Connection: close\r\n"))
        #expect(!answer.contains("Hello"))
    }

    @Test(arguments: Refusal.all) fileprivate func refusesWithTheRightStatus(_ refusal: Refusal) async throws {
        let client = try await TestServer(testApp).connect()
        client.send(refusal.request)
        #expect(client.receiveToEnd().hasPrefix("HTTP/1.1 \(refusal.status) "))
    }

    @Test func refusesABodyBeyondTheLimit() async throws {
        let server = try await TestServer({ $0.bodyLimit = 10 }, testApp)
        let announced = await server.connect()
        announced.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 11\r\n\r\n")
        #expect(announced.receiveToEnd().hasPrefix("HTTP/1.1 413 "))
        let chunked = await server.connect()
        chunked.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n")
        #expect(chunked.receiveToEnd().hasPrefix("HTTP/1.1 413 "))
    }

    @Test func reportsABodyCutShortAsAnError() async throws {
        let client = try await TestServer(testApp).connect()
        client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf")
        client.shutdownWriting()
        #expect(client.receiveToEnd().hasPrefix("HTTP/1.1 400 "))
    }

    @Test func answersAnErrorOfTheAppWith500AndGoesOn() async throws {
        let client = try await TestServer(testApp).connect()
        client.send("GET /throw HTTP/1.1\r\nHost: test\r\n\r\n")
        let answer = client.receive(until: "Error\n")
        #expect(answer.hasPrefix("HTTP/1.1 500 "))
        #expect(!answer.contains("app"))
        client.send(getHello)
        #expect(client.receive(until: "World!").hasPrefix("HTTP/1.1 200 OK\r\n"))
    }

    @Test func breaksAStreamOffVisibly() async throws {
        let client = try await TestServer(testApp).connect()
        client.send("GET /broken-stream HTTP/1.1\r\nHost: test\r\n\r\n")
        let answer = client.receiveToEnd()
        #expect(answer.hasSuffix("begun\r\n"))
        #expect(!answer.contains("0\r\n\r\n"))
    }

    @Test func givesTheAppTheFieldsItAsksFor() async throws {
        let server = try await TestServer { request in
            let all = request.headerFields.map { "\($0.name)=\($0.value)" }.joined(separator: ";")
            let fields = "\(request[.accept] ?? "-")|\(request[.cookie] ?? "-")|\(all)"
            return Response("\(fields)|\(request.authority)|\(request.query ?? "-")")
        }
        let client = await server.connect()
        client.send("GET /a?b=c HTTP/1.1\r\nHost: x:1\r\nACCEPT: a\r\naccept: b\r\nConnection: close\r\n\r\n")
        #expect(client.receiveToEnd().hasSuffix("a, b|-|Host=x:1;ACCEPT=a;accept=b;Connection=close|x:1|b=c"))
    }
}

/// A request that is refused, and the expected answer.
private struct Refusal: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let status: Int
    let request: String

    init(_ name: String, _ status: Int, _ request: String) {
        testDescription = name
        self.status = status
        self.request = request
    }

    static let all = [
        Refusal("malformed line", 400, "BAD\r\n\r\n"),
        Refusal("other major version", 505, "GET / HTTP/2.0\r\n\r\n"),
        Refusal("missing Host", 400, "GET / HTTP/1.1\r\n\r\n"),
        Refusal("unknown coding", 501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
        Refusal("unknown expectation", 417, "POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n"),
        Refusal("long target", 414, "GET /\(String(repeating: "x", count: 5000)) HTTP/1.1\r\n"),
        Refusal("long field", 431, "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 9000))\r\n"),
    ]
}

import GRIP
import Testing

@testable import EvGateway

@Suite struct PublicationTests {
    private func json(_ publication: Publication, _ channel: String = "a") throws -> String {
        String(decoding: try publication.item(channel).json, as: UTF8.self)
    }

    @Test func contentsAreForEveryFormat() throws {
        #expect(try json(Publication("é\n")) == #"{"channel":"a","formats":{"any":{"content":"é\n"}}}"#)
        #expect(try json(Publication([0xff])) == #"{"channel":"a","formats":{"any":{"content-bin":"/w=="}}}"#)
    }

    @Test func formatsAreAsTheyAreGiven() throws {
        var publication = Publication(formats: #"{"http-stream": {"action": "close"}}"#)
        (publication.id, publication.previousID, publication.meta) = ("2", "1", ["b": "2", "a": "1"])
        #expect(
            try json(publication)
                == #"{"channel":"a","id":"2","prev-id":"1","formats":{"http-stream":{"action":"close"}},"#
                + #""meta":{"a":"1","b":"2"}}"#)
        for formats in ["", "[]", "{}", #"{"http-stream": {}}"#] {
            #expect(throws: GRIPError.self) { try json(Publication(formats: formats)) }
        }
        #expect(throws: GRIPError.self) { try json(Publication("x"), "") }
    }

    @Test func aProcessThatIsNoWorkerIsTold() {
        #expect { try Gateway.publish("x", to: "a") } throws: { error in
            "\(error)" == "this process is no worker of the server"
        }
    }
}

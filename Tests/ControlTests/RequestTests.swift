import Control
import Testing

@Suite struct RequestTests {
    @Test(arguments: [
        Request.status, .reload, .restart(worker: "listener/mqtt"), .upgrade(commit: false), .upgrade(commit: true),
        .kick(clientID: "café \"\n\\ \u{1f426}"),
        .clients(limit: 1, cursor: nil), .clients(limit: 1000, cursor: .max),
    ])
    func roundTrip(request: Request) {
        #expect(decode(text(encode(request))) == [.success(request)])
    }

    @Test func wireForm() {
        #expect(text(encode(Request.status)) == #"{"request":"status","version":1}"# + "\n")
        #expect(
            text(encode(Request.clients(limit: 5, cursor: 9)))
                == #"{"cursor":9,"limit":5,"request":"clients","version":1}"# + "\n")
        #expect(text(encode(Request.kick(clientID: "a/b"))).contains(#""client_id":"a/b""#))
    }

    @Test func partialInput() {
        let requests: [Request] = [.status, .kick(clientID: "é"), .clients(limit: 3, cursor: nil), .reload]
        let input = requests.map { text(encode($0)) }.joined(separator: "\n")
        for size in [1, 2, 3, 7, 40, 1000] {
            #expect(decode(input, by: size) == requests.map { .success($0) }, "in pieces of \(size)")
        }
        #expect(decode(#"{"version":1,"request":"status"}"#) == [], "no line feed yet")
    }

    @Test func limitWithoutCursorIsThePage() {
        #expect(
            decode(#"{"version":1,"request":"clients"}"# + "\r\n")
                == [.success(.clients(limit: maximumClientsPerAnswer, cursor: nil))])
    }

    @Test(arguments: [
        ("what?", Refusal.Code.badRequest, "not a JSON object"),
        ("[1]", .badRequest, "not a JSON object"),
        (#"{"request":"status"}"#, .badRequest, "“version” is missing"),
        (#"{"version":"1","request":"status"}"#, .badRequest, "“version” is not of type Int"),
        (#"{"version":1}"#, .badRequest, "“request” is missing"),
        (#"{"version":1,"request":"kick"}"#, .badRequest, "“client_id” is missing"),
        (#"{"version":1,"request":"clients","limit":0}"#, .badRequest, "from 1 to 1000"),
        (#"{"version":1,"request":"clients","limit":1001}"#, .badRequest, "from 1 to 1000"),
        (#"{"version":1,"request":"clients","cursor":-1}"#, .badRequest, "out of its range"),
        (#"{"version":2,"request":"status"}"#, .unsupportedVersion, "version 2"),
        (#"{"version":1,"request":"dance"}"#, .unknownRequest, "“dance”"),
        ("\u{0}", .badRequest, "not a JSON object"),
    ])
    func refused(line: String, code: Refusal.Code, words: String) throws {
        // The connection lives: what follows is served.
        let results = decode(line + "\n" + text(encode(Request.status)))
        try #require(results.count == 2)
        guard case .failure(let refusal) = results[0] else {
            Issue.record("was not refused: \(line)")
            return
        }
        #expect(refusal.code == code)
        #expect(refusal.text.contains(words), "\(refusal.text)")
        #expect(results[1] == .success(.status))
    }

    @Test func oversizeEndsTheConnection() {
        let short = #"{"version":1,"request":"status"}"#
        #expect(decode(short + "\n", limit: short.utf8.count) == [.success(.status)])

        for size in [1, 10, 1000] {
            let results = decode(short + "\n" + short + " \n" + short + "\n", by: size, limit: short.utf8.count)
            #expect(results.count == 2, "in pieces of \(size)")
            #expect(results.first == .success(.status))
            guard case .failure(let refusal)? = results.last else {
                Issue.record("was not refused")
                return
            }
            #expect(refusal.code == .requestTooLarge)
        }
    }

    @Test func aBrokenDecoderTakesNothingMore() throws {
        var decoder = RequestDecoder(limit: 4)
        let bytes = Array("12345".utf8)
        decoder.receive(bytes.span)
        #expect(throws: Refusal.self) { try decoder.next() }
        #expect(decoder.isBroken)
        let request = encode(Request.status)
        decoder.receive(request.span)
        #expect(try decoder.next() == nil)
    }
}

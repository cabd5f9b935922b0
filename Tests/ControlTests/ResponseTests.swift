import Control
import Testing

@Suite struct ResponseTests {
    @Test(arguments: [
        Response.status(status), .client(client), .reload(ReloadReport(applied: ["limits.rate"], needsRestart: [])),
        .end(next: nil), .end(next: 17), .error(Refusal(.noSuchClient, "no client “x” is connected")),
        .error(Refusal(Refusal.Code(rawValue: "from-the-future"), "")),
    ])
    func roundTrip(response: Response) throws {
        let line = encode(response)
        #expect(line.last == UInt8(ascii: "\n"))
        #expect(line.dropLast().contains(UInt8(ascii: "\n")) == false)
        #expect(try JSON.decode(Response.self, from: line) == response)
    }

    @Test func statusKeysAreAnInterface() {
        #expect(
            text(encode(Response.status(status)))
                == #"{"status":{"connections":2,"counters":{"messages_received":7},"layout":4,"listeners":["#
                + #"{"address":"127.0.0.1","bind":"127.0.0.1:0","connections":2,"name":"mqtt","port":40001,"#
                + #""protocol":"mqtt","workers":1}],"newest_layout":5,"pid":100,"state":"ready","uptime_s":12.5,"version":"0.1.0","#
                + #""workers":[{"connections":2,"generation":1,"name":"mqtt","outdated":false,"pid":101,"restarts":0,"#
                + #""role":"listener","state":"ready","uptime_s":12.25,"version":"0.1.0"}]}}"# + "\n")
    }

    @Test func clientKeysAreAnInterface() {
        #expect(
            text(encode(Response.client(client)))
                == #"{"client":{"client_id":"a\n\u001b[31m","connected_s":3.5,"keep_alive_s":60,"listener":"mqtt","#
                + #""peer":"127.0.0.1:5","protocol":"MQTT 5.0","subscriptions":1}}"# + "\n")
    }

    @Test func whatCanNotBeEncodedBecomesAnError() throws {
        var endless = status
        endless.uptime = .infinity
        guard case .error(let refusal) = try JSON.decode(Response.self, from: encode(Response.status(endless))) else {
            Issue.record("is not an error")
            return
        }
        #expect(refusal.code == .internalError)
    }
}

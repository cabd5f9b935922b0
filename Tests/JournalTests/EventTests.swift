import Testing

@testable import Journal

@Suite struct EventTests {
    @Test func everyIdentifierIsThereOnce() {
        let ids = Event.allCases.map(\.description.id)
        #expect(Set(ids).count == ids.count)
        for id in ids {
            #expect(id.count == 32 && id.allSatisfy { "0123456789abcdef".contains($0) }, "\(id)")
        }
    }

    @Test(arguments: Event.allCases) func everyPlaceholderIsAField(_ event: Event) {
        let names = event.description.template.split(separator: "{").dropFirst().map { $0.prefix { $0 != "}" } }
        for name in names { #expect(Field(rawValue: String(name)) != nil, "\(name)") }
    }

    @Test func namesOfFieldsAreWhatTheJournalTakes() {
        #expect(Field.clientID.journalName == "APUS_CLIENT_ID")
        #expect(Field.worker.journalName == "APUS_WORKER")
        let names = Field.allCases.map(\.journalName)
        #expect(Set(names).count == names.count)
        for name in names { #expect(name.allSatisfy { $0 == "_" || ($0.isUppercase && $0.isASCII) }, "\(name)") }
    }

    @Test func theSentenceIsFilledAndWhatIsMissingIsMarked() {
        let full = Event.clientDisconnected.message([.clientID: "pump", .peer: "10.0.0.1:5", .reason: "keep-alive"])
        #expect(full == "client pump from 10.0.0.1:5 has gone: keep-alive")
        #expect(Event.clientConnected.message([.clientID: "{peer}"]) == "client {peer} connected from -")
        // What is said of the subject stands behind what is said of the event.
        let subject: KeyValuePairs<Field, String> = [.clientID: "pump", .peer: "10.0.0.1:5"]
        let refused = Event.clientRefused.message([.reason: "full"], of: subject)
        #expect(refused == "client pump from 10.0.0.1:5 was refused: full")
        #expect(Event.takeOver.message([.peer: "b"], of: subject) == "client pump connected anew from b and took over")
        #expect(Event.brokerStarted.message([:]) == "Apus - starts")
    }
}

import Testing

@testable import Configuration

@Suite struct ReloadTests {
    @Test func nothingChanged() {
        let (applied, needsRestart) = base.changes(to: base)
        #expect(applied.isEmpty && needsRestart.isEmpty)
    }

    @Test func everyChangeIsInOneOfTheLists() {
        var new = base
        new.log.level = .debug
        new.supervisor.stopTimeout = .seconds(1)
        new.limits.memory = 1 << 25
        new.stateDirectory = "/elsewhere"
        new.listeners[1].workers = 2
        new.listeners[1].origins = ["*"]
        new.listeners[0].name = "tcp"
        let (applied, needsRestart) = base.changes(to: new)
        #expect(
            applied == [
                "supervisor.stop_timeout", "log.level", "listener.mqtt", "listener.web.origins", "listener.tcp",
            ])
        #expect(needsRestart == ["state_dir", "limits.memory", "listener.web.workers"])
    }

    @Test func whatCanNotBeAppliedStays() {
        var new = base
        new.stateDirectory = "/elsewhere"
        new.limits.packetSize = 1024
        new.limits.inFlight = 7
        new.listeners = [new.listeners[1], new.listeners[0]]
        new.listeners[0].bind = .ipv4(host: "0.0.0.0", port: 2884)
        new.listeners[0].hosts = ["broker.home"]
        new.listeners[1].name = "tcp"
        let next = base.applying(new)
        var expected = base
        expected.limits.inFlight = 7
        expected.listeners = [base.listeners[1], new.listeners[1]]
        expected.listeners[0].hosts = ["broker.home"]
        #expect(next == expected)
        #expect(base.changes(to: next).needsRestart.isEmpty)
        #expect(next.changes(to: new).applied.isEmpty)
        #expect(next.changes(to: new).needsRestart == ["state_dir", "limits.packet_size", "listener.web.bind"])
    }

    /// A setting that the table forgot could be changed without anyone being told.
    @Test func theTableKnowsEverySetting() {
        func fields(_ value: Any) -> Int { Mirror(reflecting: value).children.count }
        let counts = Dictionary(uniqueKeysWithValues: Configuration.sections.map { ($0.name, $0.keys.count) })
        #expect(counts["limits"] == fields(base.limits))
        #expect(counts["supervisor"] == fields(base.supervisor))
        #expect(counts["auth"] == fields(base.auth))
        #expect(counts["log"] == fields(base.log))
        // The tables themselves, the listeners and the bridge.
        #expect(counts["store"] == fields(base.store))
        #expect(counts[""] == fields(base) - 7)
        #expect(Configuration.bridgeKeys.count == fields(Configuration.Bridge()))
        #expect(Configuration.listenerKeys.count == fields(base.listeners[0]))
    }
}

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
        new.listeners[0].name = "tcp"
        let (applied, needsRestart) = base.changes(to: new)
        #expect(applied == ["supervisor.stop_timeout", "log.level"])
        #expect(
            needsRestart == ["state_dir", "limits.memory", "listener.mqtt", "listener.web.workers", "listener.tcp"])
    }

    /// A setting that the table forgot could be changed without anyone being told.
    @Test func theTableKnowsEverySetting() {
        func fields(_ value: Any) -> Int { Mirror(reflecting: value).children.count }
        let counts = Dictionary(uniqueKeysWithValues: Configuration.sections.map { ($0.name, $0.keys.count) })
        #expect(counts["limits"] == fields(base.limits))
        #expect(counts["supervisor"] == fields(base.supervisor))
        #expect(counts["auth"] == fields(base.auth))
        #expect(counts["log"] == fields(base.log))
        // The tables themselves, and the listeners.
        #expect(counts[""] == fields(base) - 5)
        #expect(Configuration.listenerKeys.count == fields(base.listeners[0]))
    }
}

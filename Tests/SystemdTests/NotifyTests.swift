import Testing

@testable import Systemd

@Suite struct NotifyTests {
    @Test(
        arguments: [
            (.ready, "READY=1"), (.watchdog, "WATCHDOG=1"), (.stopping, "STOPPING=1"),
            (.status("2 listeners, 10 connections"), "STATUS=2 listeners, 10 connections"),
            (.extendTimeout(.milliseconds(1500)), "EXTEND_TIMEOUT_USEC=1500000"),
            (.error(98), "ERRNO=98"), (.exitStatus(78), "EXIT_STATUS=78"),
        ] as [(Notify.State, String)]) func assignments(_ state: Notify.State, _ text: String)
    {
        #expect(state.text == text)
    }

    /// A line break would begin an assignment of its own.
    @Test(arguments: ["a\nREADY=1", "a\r\nREADY=1", "a\rREADY=1"]) func aStatusIsOneLine(_ text: String) {
        #expect(Notify.State.status(text).text == "STATUS=a READY=1")
    }

    /// systemd compares the time with its own, so that it can tell an old message from a new one.
    @Test func aReloadCarriesTheTime() throws {
        let texts = (0..<2).map { _ in Notify.State.reloading.text }
        let times = try texts.map { text in
            let parts = text.split(separator: "\n")
            #expect(parts.first == "RELOADING=1" && parts.count == 2)
            return try #require(Int(parts[1].dropFirst("MONOTONIC_USEC=".count)))
        }
        #expect(times[0] > 0 && times[1] >= times[0])
    }
}

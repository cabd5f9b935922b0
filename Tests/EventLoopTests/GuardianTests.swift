// Whether a worker finds out that its supervisor is gone.

import Foundation
import Testing

@testable import EventLoop

@Suite struct GuardianTests {
    @Test func aParentThatLivesIsNeverMissed() {
        var guardian = Guardian()
        let missing1 = guardian.isMissing(now: 1000)
        #expect(!missing1)
        let missing2 = guardian.isMissing(now: 1000 + 10 * Guardian.patience)
        #expect(!missing2)
    }

    @Test func oneThatIsGoneIsMissedAfterAWhile() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/true")
        try process.run()
        process.waitUntilExit()
        var guardian = Guardian()
        guardian.adopted(by: process.processIdentifier)
        let missing3 = guardian.isMissing(now: 5000)
        #expect(!missing3)
        let missing4 = guardian.isMissing(now: 5000 + Guardian.patience - 1)
        #expect(!missing4)
        let missing5 = guardian.isMissing(now: 5000 + Guardian.patience)
        #expect(missing5)
        let missing6 = guardian.isMissing(now: 5000 + Guardian.patience, longer: 1)
        #expect(!missing6)
        // Another one has come.
        guardian.adopted(by: getpid())
        let missing7 = guardian.isMissing(now: 5000 + 2 * Guardian.patience)
        #expect(!missing7)
    }
}

import Glibc
import Testing

@testable import Systemd

@Suite struct UnitJobTests {
    @Test(
        arguments: [("=", UnitJob.none), ("=restart", .kind("restart")), ("=stop", .kind("stop")), ("", .unknown)]
    ) func answers(_ text: String, _ job: UnitJob) throws {
        var ends: [Int32] = [0, 0]
        let isMade = unsafe pipe(&ends) == 0
        try #require(isMade)
        let bytes = Array(text.utf8)
        _ = unsafe write(ends[1], bytes, bytes.count)
        close(ends[1])
        #expect(UnitJob(answer: ends[0]) == job)
    }
}

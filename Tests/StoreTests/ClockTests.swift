import Testing

@testable import Store

/// The clock by which things expire, with readings that are made up.
@Suite struct ClockTests {
    static func reading(wall: UInt64, boot: String, _ seconds: UInt64, synchronized: Bool = true) -> ClockReading {
        ClockReading(
            wallSeconds: wall, bootIdentifier: Array(boot.utf8), bootSeconds: seconds, isSynchronized: synchronized)
    }

    static func mark(_ store: UInt64, wall: UInt64, boot: String, _ seconds: UInt64) -> ClockMark {
        ClockMark(
            storeSeconds: store, wallSeconds: wall, bootIdentifier: Array(boot.utf8), bootSeconds: seconds)
    }

    @Test func aNewStoreStartsAtTheWallClockAndIsCertain() {
        let start = Self.reading(wall: 1000, boot: "a", 50, synchronized: false)
        var clock = ExpiryClock(saved: nil, reading: start)
        #expect(clock.isCertain)
        #expect(clock.now(start) == 1000)
        #expect(clock.now(Self.reading(wall: 5, boot: "a", 60, synchronized: false)) == 1010)
        var early = ExpiryClock(saved: nil, reading: Self.reading(wall: 0, boot: "a", 0))
        #expect(early.now(Self.reading(wall: 0, boot: "a", 0)) == 1, "0 means never")
    }

    @Test func withinABootTheWallClockIsNotAsked() {
        let reading = Self.reading(wall: 1, boot: "a", 150, synchronized: false)
        var clock = ExpiryClock(saved: Self.mark(700, wall: 9000, boot: "a", 100), reading: reading)
        #expect(clock.isCertain)
        #expect(clock.now(reading) == 750)
        #expect(clock.mark(reading) == Self.mark(750, wall: 1, boot: "a", 150))
    }

    @Test func afterABootTheWallClockCountsOnceItIsSynchronized() {
        let saved = Self.mark(700, wall: 9000, boot: "a", 100)
        let start = Self.reading(wall: 12, boot: "b", 5, synchronized: false)
        var clock = ExpiryClock(saved: saved, reading: start)
        #expect(!clock.isCertain)
        #expect(clock.now(start) == 700)
        let later = Self.reading(wall: 22, boot: "b", 15, synchronized: false)
        #expect(clock.now(later) == 710)
        #expect(clock.mark(later) == nil, "the mark of the former boot must stay")
        let synchronized = Self.reading(wall: 9600, boot: "b", 20)
        #expect(clock.now(synchronized) == 1300)
        #expect(clock.isCertain)
        #expect(clock.now(Self.reading(wall: 1, boot: "b", 21)) == 1301, "whatever the wall clock does then")
    }

    @Test func itNeverGoesBack() {
        let saved = Self.mark(700, wall: 9000, boot: "a", 100)
        let start = Self.reading(wall: 12, boot: "b", 5, synchronized: false)
        var clock = ExpiryClock(saved: saved, reading: start)
        #expect(clock.now(Self.reading(wall: 12, boot: "b", 35, synchronized: false)) == 730)
        #expect(clock.now(Self.reading(wall: 9010, boot: "b", 36)) == 731, "the wall clock alone would say 710")
    }

    @Test func patienceEnds() {
        let saved = Self.mark(700, wall: 9000, boot: "a", 100)
        var clock = ExpiryClock(
            saved: saved, reading: Self.reading(wall: 8000, boot: "b", 5, synchronized: false))
        let almost = 5 + ExpiryClock.patience - 1
        _ = clock.now(Self.reading(wall: 9900, boot: "b", almost, synchronized: false))
        #expect(!clock.isCertain)
        let now = clock.now(Self.reading(wall: 9900, boot: "b", almost + 1, synchronized: false))
        #expect(clock.isCertain)
        #expect(now == 1600)
    }

    @Test func theMachinesClocksCanBeRead() {
        let first = ClockReading.current()
        #expect(first.bootIdentifier.count == 36)
        #expect(first.wallSeconds > 1_700_000_000)
        #expect(ClockReading.current().bootSeconds >= first.bootSeconds)
    }
}

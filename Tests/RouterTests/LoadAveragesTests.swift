// Moving averages, with times that are passed in.

import Testing

@testable import Router

@Suite struct LoadAveragesTests {
    @Test func aSteadyRateIsWhatTheyComeTo() {
        var load = LoadAverages()
        load.update([1_000_000], milliseconds: 5000)
        #expect(load.averages == [[0, 0, 0]], "what was before is no part of it")
        for second in 1...7200 as ClosedRange<UInt64> {
            load.update([1_000_000 + second * 10], milliseconds: 5000 + second * 1000)
            if second == 60 {
                // 1 - 1/e of the rate, and less where the time is longer.
                #expect(load.averages[0].map { Int($0) } == [379, 108, 38])
            }
        }
        #expect(load.averages[0].map(LoadAverages.text) == ["600.00", "600.00", "599.80"])
    }

    @Test func aTotalThatBeginsAnewIsNoRateBelowZero() {
        var load = LoadAverages()
        load.update([500, 7], milliseconds: 0)
        load.update([60, 7], milliseconds: 60_000)
        #expect(load.averages.map { LoadAverages.text($0[0]) } == ["37.93", "0.00"])
        load.update([60, 7], milliseconds: 60_000)
        #expect(load.averages.map { LoadAverages.text($0[0]) } == ["37.93", "0.00"], "no time has passed")
        load.update([1], milliseconds: 120_000)
        #expect(load.averages == [[0, 0, 0]], "other totals")
    }

    @Test(arguments: [(0, "0.00"), (0.005, "0.01"), (1.994, "1.99"), (12_345.678, "12345.68"), (-1, "0.00")])
    func twoDecimals(_ value: Double, _ text: String) {
        #expect(LoadAverages.text(value) == text)
    }
}

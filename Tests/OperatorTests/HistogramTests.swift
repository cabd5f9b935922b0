import Operator
import Testing

@Suite struct HistogramTests {
    @Test func nothing() {
        #expect(Histogram().percentile(0.5) == 0)
    }

    @Test func smallValuesAreExact() {
        var histogram = Histogram()
        for value in 1...60 { histogram.add(UInt64(value)) }
        #expect(histogram.percentile(0.5) == 30)
        #expect(histogram.percentile(0) == 1)
        #expect(histogram.percentile(1) == 60)
        #expect(histogram.count == 60)
        #expect(histogram.maximum == 60)
    }

    @Test func greatValuesAreWithinA32nd() {
        // Every power of two and its neighbours, up to the greatest of all.
        for exponent in 6..<64 {
            for offset in [UInt64.max, 0, 1] {
                let value = (UInt64(1) << UInt64(exponent)) &+ offset
                var histogram = Histogram()
                histogram.add(value)
                histogram.add(.max)
                let found = histogram.percentile(0.5)
                #expect(found >= value && found - value <= value / 32, "\(value) became \(found)")
            }
        }
    }
}

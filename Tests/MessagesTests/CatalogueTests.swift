// Every frame of the catalogue: identity, and the refusal of whatever is not exactly one frame.

import Testing

@testable import Messages

@Suite struct CatalogueTests {
    static let seed: UInt64 = 0xA9_05

    @Test func theTableOfTheTestsHoldsEveryType() {
        let hot: [FrameType] = [.publish, .deliver, .acknowledge, .batch]
        let tested = catalogue.map { $0.type.rawValue } + hot.map(\.rawValue)
        #expect(tested.sorted() == (0...255).compactMap { FrameType(rawValue: $0)?.rawValue })
    }

    @Test func everyFrameIsReadAsItWasWritten() throws {
        for type in catalogue { try roundTrip(type) }
    }

    private func roundTrip<F: RandomFrame>(_: F.Type) throws {
        var random = SplitMix64(seed: Self.seed)
        for _ in 0..<200 {
            let frame = F.random(&random)
            #expect(try F(decoding: frame.encoded()) == frame, "seed \(Self.seed)")
        }
    }

    @Test func aFrameThatEndsTooEarlyOrTooLateIsRefused() {
        for type in catalogue { cutAndExtend(type) }
    }

    private func cutAndExtend<F: RandomFrame>(_: F.Type) {
        var random = SplitMix64(seed: Self.seed)
        for _ in 0..<10 {
            let whole = F.random(&random).encoded()
            for length in 0..<whole.count {
                let cut = Array(whole[..<length])
                #expect(throws: FrameError.self, "\(F.self)") { try F(decoding: cut) }
                guard length >= FrameHead.byteCount else { continue }
                #expect(throws: FrameError.self, "\(F.self)") { try F(decoding: withLength(cut)) }
            }
            #expect(throws: FrameError("frame length differs from what arrived")) { try F(decoding: whole + [0]) }
            #expect(throws: FrameError("bytes behind the last field"), "\(F.self)") {
                try F(decoding: withLength(whole + [0]))
            }
        }
    }

    @Test func anotherTypeOrVersionIsRefused() {
        for type in catalogue { misname(type) }
    }

    private func misname<F: RandomFrame>(_: F.Type) {
        var random = SplitMix64(seed: Self.seed)
        let frame = F.random(&random).encoded()
        for raw in UInt8.min ... .max where raw != F.type.rawValue {
            var other = frame
            other[4] = raw
            let error =
                FrameType(rawValue: raw) == nil
                ? FrameError("unknown frame type") : FrameError("another frame type than expected")
            #expect(throws: error) { try F(decoding: other) }
        }
        for place in [6, 7] {
            var other = frame
            other[place] &+= 1
            #expect(throws: FrameError("an unknown layout")) { try F(decoding: other) }
        }
    }

    @Test func changedBytesAreRefusedOrAreAFrame() throws {
        for type in catalogue { try mutate(type) }
    }

    private func mutate<F: RandomFrame>(_: F.Type) throws {
        var random = SplitMix64(seed: Self.seed)
        for _ in 0..<300 {
            var bytes = F.random(&random).encoded()
            for _ in 0..<(1 + random.below(4)) {
                if bytes.count > FrameHead.byteCount, random.below(8) > 0 {
                    bytes[FrameHead.byteCount + random.below(bytes.count - FrameHead.byteCount)] = random.integer()
                } else {
                    bytes[random.below(bytes.count)] = random.integer()
                }
            }
            // What is accepted has a meaning that survives being sent on.
            if let frame = try? F(decoding: bytes) {
                #expect(try F(decoding: frame.encoded()) == frame, "seed \(Self.seed)")
            }
        }
    }

    @Test func aCountBeyondTheFrameIsRefusedBeforeMemoryIsTaken() {
        func frame(_ type: FrameType, _ fields: [UInt8]) -> [UInt8] {
            withLength(Hello(worker: 0, generation: 0).encoded()[..<4] + [type.rawValue, 0, 4, 0] + fields)
        }
        let error = FrameError("a count beyond the frame's end")
        let ends = [UInt8](repeating: 0xFF, count: 4)
        #expect(throws: error) { try Accepted(decoding: frame(.accepted, ends)) }
        #expect(throws: error) { try Closed(decoding: frame(.closed, ends)) }
        #expect(throws: error) { try Pong(decoding: frame(.pong, [0, 0, 0, 0, 0, 0, 0, 0] + ends)) }
        // One item less than the count says.
        #expect(throws: error) { try Closed(decoding: frame(.closed, [2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0])) }
        // A blob that claims four gigabytes.
        #expect(throws: FrameError("frame ends within a field")) {
            try Fault(decoding: frame(.fault, [1, 0, 0, 0] + ends))
        }
    }

    @Test func valuesOutsideOfTheirEnumerationAreRefused() {
        var welcome = Welcome(role: .router, worker: 1, generation: 1, name: "").encoded()
        welcome[8] = 99
        #expect(throws: FrameError("unknown role")) { try Welcome(decoding: welcome) }
        var settings = RouterSettings().encoded()
        settings[8 + 30] = 0
        #expect(throws: FrameError("unknown queue policy")) { try RouterSettings(decoding: settings) }
        var congestion = CongestionFrame(slot: 1, generation: 1, congested: true).encoded()
        congestion[16] = 2
        #expect(throws: FrameError("a boolean that is neither 0 nor 1")) { try CongestionFrame(decoding: congestion) }
        var fault = Fault(worker: 1, what: "a").encoded()
        fault[16] = 0xFF
        #expect(throws: FrameError("text that is not UTF-8")) { try Fault(decoding: fault) }
    }

    @Test func headsOutOfRangeAreRefused() throws {
        func head(_ length: UInt32) throws -> FrameHead? {
            let word = UInt64(length) | UInt64(FrameType.ping.rawValue) << 32 | UInt64(Layout.inForce) << 48
            let bytes = (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
            return try FrameHead.read(bytes.span.raw, at: 0)
        }
        let error = FrameError("frame length out of range")
        #expect(throws: error) { try head(7) }
        #expect(try head(8) == FrameHead(length: 8, type: .ping))
        #expect(try head(UInt32(FrameHead.largestFrame))?.length == FrameHead.largestFrame)
        #expect(throws: error) { try head(UInt32(FrameHead.largestFrame) + 1) }
        let short = [UInt8](repeating: 0xFF, count: 9)
        let none = try FrameHead.read(short.span.raw, at: 2)
        #expect(none == nil)
    }

    /// The same bytes with their count in the header.
    private func withLength(_ bytes: [UInt8]) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) } + bytes[4...]
    }
}

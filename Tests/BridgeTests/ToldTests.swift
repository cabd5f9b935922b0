import Testing

@testable import Bridge

@Suite struct ToldTests {
    /// What `#expect` can ask.
    final class Journal {
        private var told = Told()
        func isNews(upTo address: String, _ link: Told.Link, _ now: UInt64) -> Bool {
            told.isNews(upTo: address, link, now)
        }
        func isNews(downFor reason: String, _ link: Told.Link, _ now: UInt64) -> Bool {
            told.isNews(downFor: reason, link, now)
        }
    }

    /// RabbitMQ goes and comes back: one line for both connections, then one for each.
    @Test func aRestart() {
        let told = Journal()
        for link in [Told.Link.publishes, .consumes] { #expect(told.isNews(upTo: "a", link, 0)) }
        #expect(told.isNews(downFor: "broke", .publishes, 10_000))
        #expect(!told.isNews(downFor: "broke", .consumes, 10_001))
        #expect(told.isNews(downFor: "refused", .consumes, 10_100))
        for now in stride(from: 10_200, to: 30_000, by: 500) as StrideTo<UInt64> {
            #expect(!told.isNews(downFor: "refused", .publishes, now))
            #expect(!told.isNews(downFor: "refused", .consumes, now))
        }
        for link in [Told.Link.publishes, .consumes] {
            #expect(told.isNews(upTo: "a", link, 30_000))
            #expect(!told.isNews(upTo: "a", link, 30_001))
        }
        // The next time, within a minute, is another one.
        #expect(told.isNews(downFor: "broke", .consumes, 40_000))
        #expect(!told.isNews(downFor: "broke", .publishes, 40_000))
    }

    @Test func theSameAgainAfterAMinute() {
        let told = Journal()
        #expect(told.isNews(downFor: "refused", .publishes, 0))
        #expect(!told.isNews(downFor: "refused", .publishes, Told.reminder - 1))
        #expect(told.isNews(downFor: "refused", .publishes, Told.reminder))
    }

    /// Two servers, each with a trouble of its own, in turn.
    @Test func twoServers() {
        var told = Told()
        var lines = 0
        for now in stride(from: 0, to: 50_000, by: 100) as StrideTo<UInt64> {
            if told.isNews(downFor: now % 200 == 0 ? "one" : "two", .publishes, now) { lines += 1 }
        }
        #expect(lines == 2)
    }

    /// A connection that breaks as soon as it stands, for one reason, is two lines and not two each time.
    @Test func aConnectionThatBreaksAtOnce() {
        var told = Told()
        var lines = 0
        for now in stride(from: 0, to: 50_000, by: 100) as StrideTo<UInt64> {
            if told.isNews(upTo: "a", .publishes, now) { lines += 1 }
            if told.isNews(downFor: "closed", .publishes, now + 10) { lines += 1 }
        }
        #expect(lines <= 3)
    }

    /// What was said last is true after a while.
    @Test func aTroubleThatLasts() {
        let told = Journal()
        #expect(told.isNews(downFor: "refused", .publishes, 0))
        #expect(told.isNews(upTo: "a", .publishes, 1000))
        #expect(!told.isNews(downFor: "refused", .publishes, 2000))
        #expect(told.isNews(downFor: "refused", .publishes, 2000 + Told.steady))
    }

    @Test func anotherServer() {
        let told = Journal()
        #expect(told.isNews(upTo: "a", .publishes, 0))
        #expect(told.isNews(downFor: "broke", .publishes, 1))
        #expect(told.isNews(upTo: "b", .publishes, 2))
    }
}

import MQTT
import Messages
import Testing

@testable import Router

/// What brokers of a cluster say of what they retain, as bytes and back.
@Suite struct SyncMessageTests {
    static let items = [
        RetainedItem(stamp: .max, secondsLeft: 7, qos: 2, name: Array("a/b".utf8), payload: [1], properties: [1, 2]),
        RetainedItem(stamp: 1, name: Array("cleared".utf8), payload: []),
        RetainedItem(stamp: 9, name: [65], payload: Array(repeating: 7, count: 70_000)),
    ]

    static func items(_ bytes: [UInt8]) -> [RetainedItem]? { RetainedItem.all(in: bytes.span.raw) }
    static func words(_ bytes: [UInt8]) -> SyncMessage? { SyncMessage(bytes.span.raw) }

    @Test func itemsComeAsTheyWent() throws {
        var bytes = [RetainedItem.version]
        for item in Self.items { item.append(to: &bytes) }
        #expect(Self.items(bytes) == Self.items)
        #expect(Self.items([RetainedItem.version]) == [])
    }

    @Test func whatIsCutOffIsNone() {
        var bytes = [RetainedItem.version]
        let first = Self.items[0]
        first.append(to: &bytes)
        for length in bytes.indices where length != 1 { #expect(Self.items(Array(bytes[..<length])) == nil) }
    }

    @Test(arguments: [
        RetainedItem(stamp: 1, qos: 3, name: [65], payload: [1]),
        RetainedItem(stamp: 1, name: [], payload: [1]),
        RetainedItem(stamp: 1, name: Array("a/#".utf8), payload: [1]),
        RetainedItem(stamp: 1, name: Array("$SYS/x".utf8), payload: [1]),
        RetainedItem(stamp: 1, name: [0xFF], payload: [1]),
    ]) func whatCanNotBeRetainedIsNone(_ item: RetainedItem) {
        var bytes = [RetainedItem.version]
        item.append(to: &bytes)
        #expect(Self.items(bytes) == nil)
    }

    @Test func wordsComeAsTheyWent() {
        var digest = RetainedDigest()
        digest.add(Array("a".utf8).span, stamp: 1)
        var parts = RetainedDigest.Parts()
        for part in [0, 63, 64, 255] { parts.insert(part) }
        for words in [SyncMessage.Words.ask(digest), .offer(digest), .send(parts), .sent(RetainedDigest())] {
            let message = SyncMessage(sender: 1, receiver: .max, words)
            let bytes = message.encoded
            #expect(Self.words(bytes) == message)
            #expect(Self.words(Array(bytes.dropLast())) == nil)
            #expect(Self.words(bytes + [0]) == nil)
        }
    }

    @Test func aDigestTellsWhatDiffers() {
        var (one, other) = (RetainedDigest(), RetainedDigest())
        for number in 0..<1000 { one.add(Array("topic \(number)".utf8).span, stamp: UInt64(number)) }
        for number in (0..<1000).reversed() { other.add(Array("topic \(number)".utf8).span, stamp: UInt64(number)) }
        #expect(one == other && one.difference(other).isEmpty)
        let topic = Array("topic 7".utf8)
        other.add(topic.span, stamp: 7)
        other.add(topic.span, stamp: 8)
        let parts = one.difference(other)
        #expect((0..<RetainedDigest.parts).filter(parts.contains) == [RetainedDigest.part(of: topic.span)])
    }
}

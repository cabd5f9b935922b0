import MQTT
import Messages
import Testing

@testable import Bridge

@Suite struct RoutingKeyTests {
    static let plain = RoutingKeys(template: "{topic}")
    static let limits = (length: 65_535, levels: 128)

    @Test(
        arguments: [
            ("a/b", "a.b"), ("/a", ".a"), ("a//b", "a..b"), ("a/", "a."), ("a b/ä", "a b.ä"), ("$x/y", "$x.y"),
            ("a", "a"),
        ]) func topicsAndKeys(_ topic: String, _ key: String) throws
    {
        #expect(try Self.plain.key(ofTopic: Array(topic.utf8)) == Array(key.utf8))
        #expect(try Self.plain.topic(ofKey: Array(key.utf8), limits: Self.limits) == Array(topic.utf8))
    }

    @Test(arguments: ["a.b", ".", "a*b", "*"]) func topicsThatWouldBecomeOthers(_ topic: String) {
        #expect(throws: Unmappable.self) { try Self.plain.key(ofTopic: Array(topic.utf8)) }
    }

    @Test(arguments: ["a/b", "/", "*.a", "a*", "#", "a.#.b", "a.+", "", "a\u{0}b"])
    func keysThatWouldBecomeOthers(_ key: String) {
        #expect(throws: Unmappable.self) { try Self.plain.topic(ofKey: Array(key.utf8), limits: Self.limits) }
    }

    @Test func keysThatAreNoText() {
        #expect(throws: Unmappable.self) { try Self.plain.topic(ofKey: [0xFF], limits: Self.limits) }
    }

    @Test func theLongestKey() throws {
        let longest = [UInt8](repeating: 0x61, count: 255)
        #expect(try Self.plain.key(ofTopic: longest) == longest)
        #expect(throws: Unmappable.self) { try Self.plain.key(ofTopic: longest + [0x61]) }
        #expect(try Self.plain.binding(ofFilter: String(decoding: longest, as: UTF8.self)) == longest)
        #expect(throws: Unmappable.self) {
            try Self.plain.binding(ofFilter: String(decoding: longest, as: UTF8.self) + "a")
        }
    }

    @Test func limitsOfTopics() throws {
        #expect(try Self.plain.topic(ofKey: Array("a.b".utf8), limits: (3, 2)) == Array("a/b".utf8))
        #expect(throws: Unmappable.self) { try Self.plain.topic(ofKey: Array("a.bc".utf8), limits: (3, 2)) }
        #expect(throws: Unmappable.self) { try Self.plain.topic(ofKey: Array("a.b".utf8), limits: (3, 1)) }
    }

    @Test func aTemplateIsPutOnAndTakenOff() throws {
        let keys = RoutingKeys(template: "mqtt.{topic}.v1")
        #expect(try keys.key(ofTopic: Array("a/b".utf8)) == Array("mqtt.a.b.v1".utf8))
        #expect(try keys.topic(ofKey: Array("mqtt.a.b.v1".utf8), limits: Self.limits) == Array("a/b".utf8))
        #expect(try keys.binding(ofFilter: "a/+/#") == Array("mqtt.a.*.#.v1".utf8))
        for other in ["a.b", "mqtt.a.b", "mqtt.v1", "amqp.a.v1"] {
            #expect(throws: Unmappable.self) { try keys.topic(ofKey: Array(other.utf8), limits: Self.limits) }
        }
    }

    @Test(arguments: [("#", "#"), ("+", "*"), ("a/+/b", "a.*.b"), ("a/#", "a.#"), ("/+", ".*")])
    func bindings(_ filter: String, _ key: String) throws {
        #expect(try Self.plain.binding(ofFilter: filter) == Array(key.utf8))
    }

    /// Whatever passes comes back as it was.
    @Test func whatPassesComesBack() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("ab/.*+#$ \u{0}ä".utf8)
        var passed = 0
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...8, using: &generator)).map { _ in
                alphabet.randomElement(using: &generator)!
            }
            if let key = try? Self.plain.key(ofTopic: text), (try? TopicName.check(text.span)) != nil {
                passed += 1
                #expect((try? Self.plain.topic(ofKey: key, limits: Self.limits)) == text)
            }
            if let topic = try? Self.plain.topic(ofKey: text, limits: Self.limits) {
                passed += 1
                #expect((try? Self.plain.key(ofTopic: topic)) == text)
            }
        }
        #expect(passed > 1000)
    }
}

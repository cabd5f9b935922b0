import EventLoop
import MQTT
import Messages
import Testing

@testable import Router

/// Random histories: brokers retain and clear at random, what they tell each other comes late, in any order between two
/// brokers' streams, or not at all. In the end all have the same.
@Suite struct ConvergenceTests {
    final class Node {
        var bench: RouterBench
        /// Of the messages that it hears.
        var number: UInt64 = 0
        init(_ bench: consuming RouterBench) { self.bench = bench }
    }

    final class Cluster {
        var nodes: [Node] = []
        /// By sender and receiver, each in order.
        var mail: [[[(topic: [UInt8], payload: [UInt8])]]]
        var random: SeededGenerator

        init(_ count: Int, seed: UInt64) throws {
            random = SeededGenerator(seed: seed)
            mail = Array(repeating: Array(repeating: [], count: count), count: count)
            for _ in 0..<count { nodes.append(Node(try OnceTests.joined())) }
        }

        /// Takes what has been said.
        func collect() throws {
            for sender in nodes.indices {
                let said = try Talk.all(&nodes[sender].bench).filter { $0.topic.starts(with: "$apus/".utf8) }
                for receiver in nodes.indices where receiver != sender { mail[sender][receiver] += said }
            }
        }

        /// Delivers the next message of one that has any.
        /// - Parameter loses: it is lost.
        /// - Returns: whether there was one.
        func deliver(loses: Bool = false) throws -> Bool {
            let pairs = nodes.indices.flatMap { one in nodes.indices.map { (one, $0) } }.filter {
                !mail[$0][$1].isEmpty
            }
            guard let (sender, receiver) = pairs.randomElement(using: &random) else { return false }
            let message = mail[sender][receiver].removeFirst()
            guard !loses else { return true }
            let node = nodes[receiver]
            node.number += 1
            let topic = String(decoding: message.topic, as: UTF8.self)
            node.bench.say(
                1,
                try OnceTests.frame(
                    node.number, message.payload, topic: topic, identifier: UInt16(truncatingIfNeeded: node.number)))
            return true
        }

        func settle() throws {
            repeat { try collect() } while try deliver()
        }

        func change() {
            let node = nodes[Int(random.next() % UInt64(nodes.count))]
            let topic = "t/\(random.next() % 12)"
            let payload = random.next() % 3 == 0 ? "" : "\(random.next() % 5)"
            node.bench.publish(0, 0, topic, payload, qos: 1, identifier: 1, retain: true)
        }

        func kept() -> [[String: String]] { nodes.map { ReplicateTests.kept($0.bench) } }
        func end() { for node in nodes { node.bench.kill() } }
    }

    @Test(arguments: 0..<UInt64(12)) func whateverTheOrder(_ seed: UInt64) throws {
        let cluster = try Cluster(3, seed: seed)
        for _ in 0..<60 {
            cluster.change()
            try cluster.collect()
            while cluster.random.next() % 3 != 0, try cluster.deliver() {}
        }
        try cluster.settle()
        let kept = cluster.kept()
        #expect(kept.allSatisfy { $0 == kept[0] } && !kept[0].isEmpty)
        cluster.end()
    }

    /// Some of it is lost; then one broker after the other begins anew.
    @Test(arguments: 0..<UInt64(12)) func whateverIsLost(_ seed: UInt64) throws {
        let cluster = try Cluster(3, seed: seed)
        for _ in 0..<60 {
            cluster.change()
            try cluster.collect()
            while cluster.random.next() % 3 != 0, try cluster.deliver(loses: cluster.random.next() % 3 == 0) {}
        }
        try cluster.settle()
        for node in cluster.nodes {
            node.bench.router.beginTalk()
            // All the times at which it asks.
            for milliseconds in RetainedSync.schedule {
                node.bench.pass(milliseconds: milliseconds)
                try cluster.settle()
            }
        }
        let kept = cluster.kept()
        #expect(kept.allSatisfy { $0 == kept[0] })
        cluster.end()
    }

    /// Brokers that had retained messages each for itself, before there was a cluster.
    @Test func whatThereWasBefore() throws {
        let cluster = try Cluster(2, seed: 1)
        for (index, node) in cluster.nodes.enumerated() {
            for number in (index * 50)..<(index * 50 + 100) {
                let (topic, payload) = (Array("t/\(number)".utf8), Array("of \(index)".utf8))
                try node.bench.router.retained.set(topic.span, payload: payload.span, properties: Span(), qos: 1)
            }
        }
        cluster.nodes[1].bench.router.beginTalk()
        cluster.nodes[1].bench.pass(milliseconds: RetainedSync.schedule[0])
        try cluster.settle()
        let kept = cluster.kept()
        #expect(kept[0].count == 150 && kept[0] == kept[1])
        // Now there is nothing that one has and the other has not: who asks gets no answer.
        cluster.nodes[0].bench.router.beginTalk()
        cluster.nodes[0].bench.pass(milliseconds: RetainedSync.schedule[0])
        try cluster.collect()
        #expect(cluster.mail[0][1].filter { $0.topic == SyncMessage.topic }.count == 1)
        try cluster.settle()
        try cluster.collect()
        #expect(cluster.mail[1][0].isEmpty)
        cluster.end()
    }

    /// A message is not larger than it has to be, and the bridge's queue not longer.
    @Test func manyAreToldInPieces() throws {
        let cluster = try Cluster(2, seed: 1)
        let payload = [UInt8](repeating: 65, count: 1000)
        for number in 0..<3000 {
            let topic = Array("t/\(number)".utf8)
            try cluster.nodes[0].bench.router.retained.set(
                topic.span, payload: payload.span, properties: Span(), qos: 1)
        }
        cluster.nodes[1].bench.router.beginTalk()
        cluster.nodes[1].bench.pass(milliseconds: RetainedSync.schedule[0])
        var longest = 0
        repeat {
            try cluster.collect()
            longest = max(longest, cluster.mail[0][1].map(\.payload.count).max() ?? 0)
        } while try cluster.deliver()
        let kept = cluster.kept()
        #expect(kept[1].count == 3000)
        #expect(longest < 40_000)
        cluster.end()
    }
}

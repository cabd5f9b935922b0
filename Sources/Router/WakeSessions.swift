// Sessions of clients that are away, where they are so many that nobody is to wait for them: they stay in the store until
// something is for one of them, and are loaded bit by bit beside. Whatever a frame has to do with is there before it is
// handled, so nobody can tell the difference.

import EventLoop
import Journal
import MQTT
import Messages
import Store

/// Which sessions are in the store only.
struct Sleepers {
    /// None is, or none any more.
    private(set) var isEmpty = true
    /// By number: what is here, was here, or was never there.
    private var isAwake: [Bool] = []
    private var count = 0
    /// The first number that was not looked at.
    private(set) var next: UInt32 = 0
    /// Topics for whose sessions the store was asked.
    var topics: Set<[UInt8]> = []

    mutating func begin(_ count: Int, numbers: Int) {
        isEmpty = count == 0
        self.count = count
        isAwake = [Bool](repeating: false, count: numbers)
    }

    func isAsleep(_ number: UInt32) -> Bool { Int(number) < isAwake.count && !isAwake[Int(number)] }

    mutating func wake(_ number: UInt32) { isAwake[Int(number)] = true }

    /// The numbers to look at next; nil: that were all.
    mutating func takeNext(_ most: Int) -> ClosedRange<UInt32>? {
        guard Int(next) < isAwake.count else { return nil }
        let end = min(Int(next) + most, isAwake.count)
        defer { next = UInt32(end) }
        return next...UInt32(end - 1)
    }

    /// Numbers that no session has.
    var free: [UInt32] { isAwake.indices.filter { !isAwake[$0] }.map { UInt32($0) } }
}

extension Router {
    /// Numbers that are looked at in one turn.
    private static var wakingAtOnce: Int { 128 }
    /// Topics that are remembered.
    private static var wokenTopics: Int { 65_536 }

    /// A client is about to connect, or is connected.
    @inline(never)
    mutating func wake(client identifier: [UInt8]) {
        guard !sleepers.isEmpty, clients[identifier] == nil else { return }
        ask { store throws(StoreError) in
            guard let number = try store.session(ofClient: identifier) else { return [] }
            return [number]
        }
    }

    /// A message is about to be handed out that those who are away get as well.
    @inline(never)
    mutating func wake(for message: Outgoing) {
        // At QoS 0 nothing waits for them.
        guard message.qos > 0 else { return }
        let octets = message.bytes.extracting(0..<message.topicLength).array
        guard !sleepers.topics.contains(octets) else { return }
        if sleepers.topics.count == Self.wokenTopics { sleepers.topics = [] }
        sleepers.topics.insert(octets)
        ask { store throws(StoreError) in try store.sessions(matching: octets.span) }
    }

    private mutating func ask(_ question: (Store) throws(StoreError) -> [UInt32]) {
        do throws(StoreError) {
            for number in try question(store) where sleepers.isAsleep(number) { try wake(number...number) }
        } catch {
            loadingFailed(error)
        }
    }

    /// Loads a few more. Called each turn while there are some.
    mutating func wakeSome() {
        guard !isRecovering else { return }
        do throws(StoreError) {
            if let numbers = sleepers.takeNext(Self.wakingAtOnce) { return try wake(numbers) }
        } catch {
            return loadingFailed(error)
        }
        freeSessions.append(contentsOf: sleepers.free)
        sleepers = Sleepers()
        store.endLoading()
    }

    private mutating func wake(_ numbers: ClosedRange<UInt32>) throws(StoreError) {
        var stored = try store.sessions(numbers)
        // What has changed since the start is not undone by what was stored.
        stored.keep { sleepers.isAsleep($0) }
        load(stored)
        for session in stored.sessions { sleepers.wake(session.number) }
    }

    private mutating func loadingFailed(_ error: StoreError) {
        Journal.log(.storeDamaged, [.reason: "\(error)"])
        end("sessions can not be loaded from the store")
    }
}

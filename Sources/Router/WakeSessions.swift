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
    var isEmpty: Bool { next == end }
    /// The first number that was not looked at, and the one behind the last.
    private var next = 0
    private var end = 0
    /// Topics for whose sessions the store was asked.
    var topics: Set<[UInt8]> = []

    init(numbers: Int = 0) { end = numbers }

    /// The numbers to look at next, while there are some.
    mutating func takeNext(_ most: Int) -> ClosedRange<UInt32> {
        let first = next
        next = min(next + most, end)
        return UInt32(first)...UInt32(next - 1)
    }
}

extension Router {
    /// Numbers that are looked at in one turn.
    private static var wakingAtOnce: Int { 128 }
    /// Topics that are remembered.
    private static var wokenTopics: Int { 65_536 }

    /// A client is about to connect, or is connected.
    @inline(never)
    mutating func wake(client identifier: [UInt8]) {
        guard !sleepers.isEmpty, session(ofClient: identifier) == nil else { return }
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
            for number in try question(store) where isAsleep(number) { try wake(number...number) }
        } catch {
            loadingFailed(error)
        }
    }

    /// Loads a few more. Called each turn while there are some.
    mutating func wakeSome() {
        guard !isRecovering else { return }
        do throws(StoreError) {
            try store.renewAnswers()
            try wake(sleepers.takeNext(Self.wakingAtOnce))
        } catch {
            return loadingFailed(error)
        }
        if sleepers.isEmpty { endWaking() }
    }

    private mutating func wake(_ numbers: ClosedRange<UInt32>) throws(StoreError) {
        var stored = try store.sessions(numbers)
        // What has changed since the start is not undone by what was stored.
        stored.keep { isAsleep($0) }
        let outdated = stored.sessions.filter { session(ofClient: $0.clientIdentifier) != nil }.map(\.number)
        if !outdated.isEmpty {
            forget(outdated)
            stored.keep { isAsleep($0) }
        }
        load(stored)
    }

    /// Sessions whose clients have begun others, which the store was not told before a router ended.
    private mutating func forget(_ outdated: [UInt32]) {
        for number in outdated {
            sessions.put(Session(), at: Int(number))
            freeSessions.append(number)
            sessionCount -= 1
            log.removeSession(number)
        }
    }

    func isAsleep(_ number: UInt32) -> Bool { Int(number) < sessions.count && !sessions.has(Int(number)) }

    /// All sessions that there are have been loaded: numbers without one are free.
    mutating func endWaking() {
        freeSessions.append(contentsOf: sessions.putAll(Session()).map { UInt32($0) })
        sleepers = Sleepers()
        store.endLoading()
    }

    private mutating func loadingFailed(_ error: StoreError) {
        Journal.log(.storeDamaged, [.reason: "\(error)"])
        end("sessions can not be loaded from the store")
    }
}

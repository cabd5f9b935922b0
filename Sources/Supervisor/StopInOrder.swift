// The order in which the broker stops: a group of workers after the other, each within its share of the time, whoever
// is left at its end is killed. A value without a clock or a process; the supervisor does what it says.

/// The stop under way. Times in milliseconds.
package struct StopInOrder: Sendable, Equatable {
    package enum Action: Sendable, Equatable {
        /// Tell the worker to stop, and how long it may take.
        case stop(worker: UInt32, limit: UInt32)
        case kill(worker: UInt32)
    }

    /// Of the time, what the groups before the last may use together: the last one needs some too.
    private static let shareOfEarlier: (UInt64, UInt64) = (3, 4)

    private var groups: [[UInt32]]
    private let end: UInt64
    private let endOfEarlier: UInt64
    /// Of the first of `groups`, those who have neither said that they stopped nor exited.
    private var waiting: Set<UInt32> = []
    private var alive: Set<UInt32>
    private var killed: Set<UInt32> = []
    private var begun = false

    /// - Parameter groups: the workers that live, those that stop first in front.
    package init(groups: [[UInt32]], now: UInt64, limit: UInt64) {
        self.groups = groups
        end = now + limit
        endOfEarlier = now + limit * Self.shareOfEarlier.0 / Self.shareOfEarlier.1
        alive = Set(groups.joined())
    }

    /// Whether every worker has exited.
    package var isFinished: Bool { alive.isEmpty }

    /// When `turn` has to be called at the latest.
    package var deadline: UInt64 { groups.count > 1 ? endOfEarlier : end }

    /// A worker said that it has stopped: its group no longer waits for it.
    package mutating func stopped(_ worker: UInt32, now: UInt64) -> [Action] {
        waiting.remove(worker)
        return waiting.isEmpty ? turn(now: now) : []
    }

    /// A worker's process has ended.
    package mutating func exited(_ worker: UInt32, now: UInt64) -> [Action] {
        alive.remove(worker)
        killed.remove(worker)
        return stopped(worker, now: now)
    }

    /// Begins, goes on to the next group when one is done, kills when the time is over.
    package mutating func turn(now: UInt64) -> [Action] {
        var actions: [Action] = []
        if waiting.isEmpty {
            if begun { groups.removeFirst(min(1, groups.count)) }
            begun = true
            while let group = groups.first, waiting.isEmpty {
                waiting = Set(group).intersection(alive)
                if waiting.isEmpty { groups.removeFirst() }
            }
            // The worker's own limit ends before it would be killed.
            let limit = deadline > now ? (deadline - now) * 9 / 10 : 0
            actions = waiting.sorted().map { .stop(worker: $0, limit: UInt32(clamping: limit)) }
        }
        let late = now >= end ? alive : now >= deadline ? waiting : []
        for worker in late.subtracting(killed).sorted() {
            killed.insert(worker)
            actions.append(.kill(worker: worker))
        }
        return actions
    }
}

// What the store says: errors of opening it, notices of what opening it did, and events while it runs. Nothing here
// logs; the router does.

internal import EventLoop

/// Why a store can not be opened. Damage is no reason: a damaged store is set aside.
package enum StoreError: Error, Equatable, CustomStringConvertible {
    /// The file was left as it is.
    case newer(path: String, version: Int, supported: Int)
    /// Another process has it.
    case inUse(path: String)
    /// The system refused: what was attempted, why, and what to do about it.
    case unusable(String, String, advice: String)
    /// Found while loading, after the store was opened: opening it again sets it aside.
    case damaged(String)

    package var description: String {
        switch self {
        case .newer(let path, let version, let supported):
            """
            the store \(path) was written by a newer program (its version is \(version), this one's \(supported)): \
            run that program, or set another folder; the file is untouched
            """
        case .inUse(let path): "the store \(path) is used by another process: stop it first"
        case .unusable(let what, let why, let advice): "can not \(what): \(why); \(advice)"
        case .damaged(let what): "the store is damaged: \(what); opening it again sets it aside"
        }
    }
}

extension StoreError {
    /// Something that every process needs was refused.
    init(_ error: SystemError) {
        self = .unusable(error.operation, errorText(error.code), advice: "raise LimitNOFILE= or TasksMax=")
    }
}

/// What opening a store did, for the log.
package enum StoreNotice: Equatable, Sendable {
    case created(path: String)
    case migrated(from: Int, to: Int)
    /// The store was damaged; a new one holds what could be read of it.
    case setAside(from: String, to: String, why: String, recovered: Recovered)
}

/// Rows that were recovered from a damaged store.
package struct Recovered: Equatable, Sendable {
    package var sessions = 0
    package var subscriptions = 0
    package var received = 0
    package var entries = 0
    package var retained = 0
    /// Rows that were read but are not what was written, or belong to a session or message that is gone.
    package var discarded = 0
}

/// Why a transaction failed.
package enum StoreFailure: Equatable, Sendable {
    /// The disk, a quota or the store's own limit.
    case full
    /// Anything else, in words.
    case io(String)
}

/// What happened since `receive` was last called.
package enum StoreEvent: Sendable {
    /// All transactions up to this one are stored. `trimmed`: one for each `trim`, in order.
    case committed(through: UInt64, trimmed: [Trimmed])
    /// Of this transaction, and of those submitted before it that had not been reported as committed, nothing is
    /// stored. `log`: their changes, in order, to be submitted again or not.
    case failed(transaction: UInt64, log: ChangeLog, StoreFailure)
    /// Whether there is less room than there should be.
    case space(isLow: Bool)
    case page(QueuePage)
    case retained(RetainedPage)
    /// The file is not what was written. It stays in use; the next `open` sets it aside and recovers what it can.
    case damaged(String)
}

// What sessions have in addition that outlive their connections, and how many messages lie in the store only for all of
// them: that is asked for at each heartbeat, and is not to cost a look at every session.

import EventLoop

/// What a session has in addition that outlives its connection.
struct DurableState {
    /// Seconds that it outlives its connection; `UInt32.max`: it does not end.
    var expiry: UInt32 = 0
    /// Seconds of the store's clock at which it ends; 0: it is connected; `UInt32.max`: it does not end.
    var endsAt: UInt32 = 0
    /// The sequence of the next message.
    var nextSequence: UInt64 = 1
    /// The last message that lies in memory, or was there; those behind it lie in the store only.
    var loadedThrough: UInt64 = 0
    /// Messages that lie in the store only.
    fileprivate(set) var stored: UInt32 = 0
    /// Their bytes, as far as it is known which they are: those that the writer drops are told later.
    fileprivate(set) var storedBytes: UInt64 = 0
    /// Packet identifiers in flight that were not sent again on this connection.
    var notResent: UInt32 = 0
    /// The transaction that has the receipts (PUBREC) of the client: PUBREL goes out behind it.
    var receipts: UInt64 = 0
    /// A page of them was asked for.
    var isReading = false
    /// The last transaction on disk when it was asked for; `UInt64.max`: all were.
    var readAfter: UInt64 = 0
}

/// The states of all durable sessions, by numbers of their own.
struct Durables: ~Copyable {
    private var states = Table<DurableState>()
    private var free: [UInt32] = []
    /// Messages that lie in the store only, of all.
    private(set) var stored: UInt64 = 0
    private(set) var storedBytes: UInt64 = 0

    subscript(number: Int) -> DurableState {
        @inline(__always) _read { yield states[number] }
        @inline(__always) _modify { yield &states[number] }
    }

    /// - Returns: the number of a state that begins.
    mutating func insert(expiry: UInt32) -> UInt32 {
        var state = DurableState()
        state.expiry = expiry
        guard let number = free.popLast() else {
            states.append(state)
            return UInt32(states.count - 1)
        }
        states[Int(number)] = state
        return number
    }

    mutating func remove(_ number: UInt32) {
        setStored(0, bytes: 0, of: Int(number))
        states[Int(number)] = DurableState()
        free.append(number)
    }

    mutating func setStored(_ count: UInt32, bytes: UInt64, of number: Int) {
        stored = stored - UInt64(states[number].stored) + UInt64(count)
        states[number].stored = count
        storedBytes = storedBytes - states[number].storedBytes + bytes
        states[number].storedBytes = bytes
    }

    /// One message more lies in the store only.
    mutating func addStored(bytes: Int, of number: Int) {
        setStored(states[number].stored + 1, bytes: states[number].storedBytes + UInt64(bytes), of: number)
    }

    /// That many less do. Where none is left, neither are bytes.
    mutating func removeStored(_ count: UInt32 = 1, bytes: UInt64, of number: Int) {
        let (left, leftBytes) = (states[number].stored - count, states[number].storedBytes)
        setStored(left, bytes: left == 0 || bytes > leftBytes ? 0 : leftBytes - bytes, of: number)
    }

    func contains(where condition: (DurableState) -> Bool) -> Bool { states.contains(where: condition) }
}

// The record of a connection: what only some have, in a buffer of its own. Changed within steps and batches, which save it
// at its first change.

package import CArena
import Messages

extension Arena {
    /// Gives the connection an empty record.
    /// - Returns: false when the arena is exhausted.
    package mutating func makeRecord(_ slot: Int) -> Bool {
        guard let buffer = allocate(MemoryLayout<apus_record>.size) else { return false }
        var span = mutableBufferSpan(buffer.offset, MemoryLayout<apus_record>.size)
        for offset in stride(from: 0, to: span.byteCount, by: 8) { span.store(UInt64(0), at: offset) }
        touchCold(slot)
        self[cold: slot].record_class = buffer.sizeClass
        self[cold: slot].record = buffer.unit
        return true
    }

    package func hasRecord(_ slot: Int) -> Bool { self[cold: slot].record != 0 }

    /// The record of a connection that has one. To be changed behind `touchRecord`.
    package subscript(record slot: Int) -> apus_record {
        unsafeAddress {
            unsafe UnsafePointer(recordPointer(slot))
        }
        unsafeMutableAddress {
            unsafe recordPointer(slot)
        }
    }

    private func recordPointer(_ slot: Int) -> UnsafeMutablePointer<apus_record> {
        let offset = Int(self[cold: slot].record) * Int(APUS_BUFFER_UNIT)
        precondition(offset > 0 && offset + MemoryLayout<apus_record>.size <= bufferBytes)
        return unsafe (buffers + offset).assumingMemoryBound(to: apus_record.self)
    }

    /// Saves the record before the step or batch under way changes it for the first time.
    package mutating func touchRecord(_ slot: Int) {
        guard self[record: slot].epoch != head.batch_epoch else { return }
        preserve(
            Int(head.buffers) + Int(self[cold: slot].record) * Int(APUS_BUFFER_UNIT), MemoryLayout<apus_record>.size)
        self[record: slot].epoch = head.batch_epoch
    }

    /// Gives back what the record, which was touched, has of requests, deliveries and authentication; the session's facts stay.
    package mutating func freeExchanges(_ slot: Int) {
        _ = replace(.requests, with: [], slot: slot)
        _ = replace(.deliveries, with: [], slot: slot)
        _ = replace(.authentication, with: [], slot: slot)
    }

    /// Gives the record back, with what it names.
    package mutating func freeRecord(_ slot: Int) {
        for buffer in recordBuffers(slot) { freeAtCommit(buffer) }
        self[cold: slot].record = 0
    }

    /// The record's buffer and those that it names.
    func recordBuffers(_ slot: Int) -> [Buffer] {
        guard hasRecord(slot) else { return [] }
        let own = Buffer(unit: self[cold: slot].record, sizeClass: self[cold: slot].record_class)
        return [own] + self[record: slot].queues.map(\.storage).filter(\.exists)
    }
}

/// The queues of a record.
package enum RecordQueue: Int {
    /// Of a JSON client: the `Id` of each request that the router has not answered: four bytes of length, and the bytes.
    case requests
    /// Of a JSON client, sixteen bytes each: where a delivery ends in the output, and its packet identifier, of those that
    /// TCP has not acknowledged.
    case deliveries
    /// The CONNECT frame that the router accepted.
    case connect
    /// The subscriptions of a session that ends with its connection; see Subscriptions.swift.
    case subscriptions
    /// The packet identifiers of outstanding deliveries to a session that outlives its connection, two bytes each.
    case window
    /// What the router wants to hear again when it is another one.
    case note
    /// The same, which grows.
    case list
    /// What was asked of who checks who may connect.
    case authentication
}

extension apus_record {
    subscript(queue: RecordQueue) -> apus_fifo {
        get {
            switch queue {
            case .requests: requests
            case .deliveries: deliveries
            case .connect: connect
            case .subscriptions: subscriptions
            case .window: window
            case .note: note
            case .list: list
            case .authentication: authentication
            }
        }
        set {
            switch queue {
            case .requests: requests = newValue
            case .deliveries: deliveries = newValue
            case .connect: connect = newValue
            case .subscriptions: subscriptions = newValue
            case .window: window = newValue
            case .note: note = newValue
            case .list: list = newValue
            case .authentication: authentication = newValue
            }
        }
    }

    var queues: [apus_fifo] { [requests, deliveries, connect, subscriptions, window, note, list, authentication] }
}

extension apus_fifo {
    var storage: Buffer { Buffer(unit: buffer, sizeClass: UInt8(truncatingIfNeeded: size_class)) }
    package var isEmpty: Bool { start == end }
}

extension Arena {
    /// Room for `count` bytes at the end of a queue of the record, which was touched; `nil` when the arena is exhausted.
    @_lifetime(immortal)
    package mutating func append(_ count: Int, to queue: RecordQueue, slot: Int) -> MutableRawSpan? {
        var fifo = self[record: slot][queue]
        let pending = Int(fifo.end - fifo.start)
        if !fifo.storage.exists || Int(fifo.end) + count > fifo.storage.capacity {
            guard let buffer = allocate(pending + count + pending / 2) else { return nil }
            if pending > 0 {
                var span = mutableBufferSpan(buffer.offset, pending)
                span.copy(bytes(of: queue, slot: slot), at: 0)
            }
            freeAtCommit(fifo.storage)
            fifo = apus_fifo(
                buffer: buffer.unit, size_class: UInt32(buffer.sizeClass), start: 0, end: UInt32(pending))
        }
        let start = fifo.storage.offset + Int(fifo.end)
        fifo.end += UInt32(count)
        self[record: slot][queue] = fifo
        return mutableBufferSpan(start, count)
    }

    /// What a queue of the record holds.
    @_lifetime(immortal)
    package func bytes(of queue: RecordQueue, slot: Int) -> RawSpan {
        let fifo = self[record: slot][queue]
        guard fifo.storage.exists else { return bufferSpan(0, 0) }
        return bufferSpan(fifo.storage.offset + Int(fifo.start), Int(fifo.end - fifo.start))
    }

    /// Puts `bytes` in the place of what a queue of the record holds, which was touched.
    /// - Returns: false when the arena is exhausted: the queue is as it was.
    package mutating func replace(_ queue: RecordQueue, with bytes: [UInt8], slot: Int) -> Bool {
        let former = self[record: slot][queue].storage
        guard !bytes.isEmpty else {
            freeAtCommit(former)
            self[record: slot][queue] = apus_fifo()
            return true
        }
        guard let buffer = allocate(bytes.count) else { return false }
        var span = mutableBufferSpan(buffer.offset, bytes.count)
        span.copy(bytes.span.raw, at: 0)
        freeAtCommit(former)
        self[record: slot][queue] = apus_fifo(
            buffer: buffer.unit, size_class: UInt32(buffer.sizeClass), start: 0, end: UInt32(bytes.count))
        return true
    }

    /// Takes `count` bytes from the front of a queue of the record, which was touched. An empty one keeps no buffer.
    package mutating func removeFirst(_ count: Int, from queue: RecordQueue, slot: Int) {
        var fifo = self[record: slot][queue]
        precondition(count <= Int(fifo.end - fifo.start))
        fifo.start += UInt32(count)
        if fifo.isEmpty {
            freeAtCommit(fifo.storage)
            fifo = apus_fifo()
        }
        self[record: slot][queue] = fifo
    }
}

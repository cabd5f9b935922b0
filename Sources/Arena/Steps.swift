// Steps and batches: what makes a change whole although the process may die between any two stores.

public import CArena
import Messages

extension Arena {
    /// Whether neither a step nor a batch is under way.
    @inlinable package var isQuiet: Bool {
        head.step_phase == UInt32(APUS_IDLE) && head.batch_phase == UInt32(APUS_IDLE)
    }

    /// Begins the step that changes `slot`.
    @inlinable @inline(__always)
    package mutating func beginStep(_ slot: Int) {
        precondition(slot >= 0 && slot < slotCount)
        unsafe head.step_preimage = slots[slot]
        head.step_slot = UInt32(truncatingIfNeeded: slot)
        head.step_read = UInt64(APUS_READ_NONE)
        head.undo_end = 0
        head.batch_epoch &+= 1
        apus_barrier()
        head.step_phase = UInt32(APUS_UNDER_WAY)
        apus_barrier()
    }

    /// Commits the step: its frames may be sent, the buffers that it replaced are free.
    @inlinable @inline(__always)
    package mutating func endStep() {
        head.step_next_queue = queueTail
        apus_barrier()
        head.step_phase = UInt32(APUS_COMMITTED)
        apus_barrier()
        head.queue_produced = queueTail
        apus_barrier()
        head.step_phase = UInt32(APUS_IDLE)
        apus_barrier()
        commitFrees()
    }

    /// The step's socket is read to the raw region, from `offset` on. Before that lies what the region begins with.
    @inlinable @inline(__always)
    package mutating func willRead(rawFrom offset: Int) {
        head.step_read_offset = UInt64(truncatingIfNeeded: offset)
        apus_barrier()
        head.step_read = UInt64(APUS_READ_RAW)
        apus_barrier()
    }

    /// The step's socket is read to its input buffer, from `offset` on.
    @inlinable
    package mutating func willRead(inputFrom offset: Int, slot: Int) {
        head.step_read_offset = UInt64(truncatingIfNeeded: offset)
        apus_barrier()
        head.step_read = UInt64(self[slot].input) | UInt64(self[slot].input_class) << 32
        apus_barrier()
    }

    /// Begins to apply a batch of the router's.
    @inlinable
    package mutating func beginBatch() {
        head.batch_epoch &+= 1
        head.batch_touched = 0
        head.undo_end = 0
        head.batch_marks = 0
        head.batch_deferred = 0
        head.batch_completed = 0
        head.batch_next_answered = head.queue_answered
        head.batch_next_released = head.queue_acknowledged
        apus_barrier()
        head.batch_phase = UInt32(APUS_UNDER_WAY)
        apus_barrier()
    }

    /// Saves a slot before the batch under way changes it for the first time.
    @inlinable @inline(__always)
    package mutating func touch(_ slot: Int) {
        let epoch = head.batch_epoch
        if self[slot].epoch != epoch {
            let place = Int(truncatingIfNeeded: head.batch_touched)
            precondition(place < slotCount)
            unsafe preimages[place] = apus_preimage(slot: UInt64(truncatingIfNeeded: slot), hot: self[slot])
            apus_barrier()
            head.batch_touched &+= 1
            apus_barrier()
            self[slot].epoch = epoch
        }
    }

    /// Saves a slot's cold part before the batch under way changes it for the first time. A step has saved it already.
    package mutating func touchCold(_ slot: Int) {
        guard head.batch_phase == UInt32(APUS_UNDER_WAY), self[cold: slot].epoch != head.batch_epoch else { return }
        let offset = Int(head.slots) + slot * MemoryLayout<apus_slot>.stride + MemoryLayout<apus_slot_hot>.stride
        preserve(offset, MemoryLayout<apus_slot_cold>.stride)
        self[cold: slot].epoch = head.batch_epoch
    }

    /// Commits the batch, `count` bytes of the router's stream. `framesAcknowledged` came before.
    @inlinable
    package mutating func endBatch(_ count: Int) {
        head.batch_next_applied = head.batch_applied &+ UInt64(truncatingIfNeeded: count)
        head.batch_next_queue = queueTail
        apus_barrier()
        head.batch_phase = UInt32(APUS_COMMITTED)
        apus_barrier()
        completeBatch()
        commitFrees()
    }

    /// What a committed batch leaves to do, and may do twice.
    @inlinable
    mutating func completeBatch() {
        if head.batch_marks | head.batch_deferred | head.batch_completed != 0 { putInForce() }
        head.queue_answered = head.batch_next_answered
        forgetFrames(below: head.batch_next_released)
        head.batch_applied = head.batch_next_applied
        head.queue_produced = head.batch_next_queue
        apus_barrier()
        head.batch_phase = UInt32(APUS_IDLE)
        apus_barrier()
    }

    /// Copies `count` bytes of the arena, a multiple of eight, into the undo region, before they are changed.
    mutating func preserve(_ offset: Int, _ count: Int) {
        let end = Int(truncatingIfNeeded: head.undo_end)
        var entry = mutableRegionSpan(head.undo, head.undo_bytes, end, 16 + count)
        entry.store(UInt64(offset), at: 0)
        entry.store(UInt64(count), at: 8)
        entry.copy(regionSpan(0, head.byte_count, offset, count), at: 16)
        apus_barrier()
        head.undo_end = UInt64(end + 16 + count)
        apus_barrier()
    }
}

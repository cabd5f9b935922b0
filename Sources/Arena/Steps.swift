// Steps and batches: what makes a change whole although the process may die between any two stores.

public import CArena

extension Arena {
    /// Begins the step that handles the input of `slot`.
    @inlinable @inline(__always)
    package mutating func beginStep(_ slot: Int) {
        precondition(slot >= 0 && slot < slotCount)
        head.step_preimage = self[slot]
        head.step_slot = UInt32(truncatingIfNeeded: slot)
        head.step_queue_produced = head.queue_produced
        apus_barrier()
        head.step_kind = UInt32(APUS_STEP_INPUT)
        apus_barrier()
    }

    /// Commits the step: its frames may be sent, the buffers that it replaced are free.
    @inlinable @inline(__always)
    package mutating func endStep() {
        apus_barrier()
        head.queue_produced = queueTail
        apus_barrier()
        head.step_kind = UInt32(APUS_STEP_NONE)
        apus_barrier()
        commitFrees()
    }

    /// Begins to apply a batch of the router's.
    @inlinable
    package mutating func beginBatch() {
        head.batch_epoch &+= 1
        head.batch_touched = 0
        apus_barrier()
        head.batch_phase = UInt32(APUS_BATCH_APPLYING)
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

    /// Commits the batch, `count` bytes of the router's stream.
    @inlinable
    package mutating func endBatch(_ count: Int) {
        apus_barrier()
        head.batch_applied &+= UInt64(truncatingIfNeeded: count)
        head.queue_produced = queueTail
        apus_barrier()
        head.batch_phase = UInt32(APUS_BATCH_NONE)
        apus_barrier()
        commitFrees()
    }
}

// What a successor does first after a death: completes what was committed, undoes what was not. A successor that dies here
// leaves the next one the same to do.

import CArena
import Messages

/// A step that a death has interrupted. Its slot is as it was before.
package struct InterruptedStep {
    package let slot: Int
    /// Bytes that had been taken from the socket before it.
    package let received: UInt64
    /// How often a death has interrupted a step at this very place of this connection's input.
    package let attempts: Int
}

extension Arena {
    /// Completes or undoes the step and the batch that were under way, and finds the free buffers.
    /// - Returns: the step that was undone, which has to be ended by `resumeStep` or `abandonStep`, and the slots that were
    ///   written over, whose connections have to be closed.
    package mutating func recover() -> (interrupted: InterruptedStep?, damaged: [Int]) {
        recoverBatch()
        let interrupted = recoverStep()
        queueTail = head.queue_produced
        let damaged = removeDamage()
        rebuildPool()
        return (interrupted, damaged)
    }

    /// Ends an interrupted step without what its socket had given: its connection has to be closed.
    package mutating func abandonStep() { endStep() }

    private mutating func recoverBatch() {
        if head.batch_phase == UInt32(APUS_COMMITTED) {
            queueTail = head.batch_next_queue
            completeBatch()
        }
        undoBatch()
    }

    /// Undoes the batch under way: the router has put into it what can not be.
    package mutating func abandonBatch() {
        undoBatch()
        queueTail = head.queue_produced
        pool.deferred.removeAll(keepingCapacity: true)
        rebuildPool()
    }

    private mutating func undoBatch() {
        guard head.batch_phase == UInt32(APUS_UNDER_WAY) else { return }
        for place in 0..<Int(min(head.batch_touched, UInt64(slotCount))) {
            let saved = unsafe preimages[place]
            if saved.slot < UInt64(slotCount) { self[Int(saved.slot)] = saved.hot }
        }
        undo()
        apus_barrier()
        head.batch_phase = UInt32(APUS_IDLE)
        apus_barrier()
    }

    private mutating func recoverStep() -> InterruptedStep? {
        if head.step_phase == UInt32(APUS_COMMITTED) {
            head.queue_produced = head.step_next_queue
            apus_barrier()
            head.step_phase = UInt32(APUS_IDLE)
            apus_barrier()
        }
        guard head.step_phase == UInt32(APUS_UNDER_WAY) else { return nil }
        let slot = Int(head.step_slot)
        undo()
        unsafe slots[slot] = head.step_preimage
        let isSame =
            head.fault_slot == head.step_slot && head.fault_generation == self[slot].generation
            && head.fault_received == self[slot].received
        head.fault_count = isSame ? head.fault_count &+ 1 : 1
        head.fault_slot = head.step_slot
        head.fault_generation = self[slot].generation
        head.fault_received = self[slot].received
        return InterruptedStep(slot: slot, received: self[slot].received, attempts: Int(head.fault_count))
    }

    /// Puts back what was preserved.
    private mutating func undo() {
        let log = regionSpan(head.undo, head.undo_bytes, 0, Int(head.undo_end))
        var position = 0
        while position < log.byteCount {
            let offset = Int(log.load64(at: position))
            let count = Int(log.load64(at: position + 8))
            var target = mutableRegionSpan(0, head.byte_count, offset, count)
            target.copy(log.extracting((position + 16)..<(position + 16 + count)), at: 0)
            position += 16 + count
        }
    }

    /// Ends an interrupted step: what its socket had given, `count` bytes, joins what waits to be handled.
    ///
    /// - Parameter framed: the bytes are WebSocket's, not MQTT's.
    /// - Returns: false when the arena is exhausted.
    package mutating func resumeStep(_ step: InterruptedStep, read count: Int, framed: Bool) -> Bool {
        let slot = step.slot
        let wasRead = head.step_read != UInt64(APUS_READ_NONE)
        let plainCount = Int(self[slot].input_length)
        let rawCount = Int(self[slot].raw_length)
        var plain = inputBuffer(slot).exists ? bytes(input(slot, 0, plainCount)) : []
        // WebSocket's leftover was copied to the region before it was written over where it lay.
        var raw: [UInt8] = []
        if rawCount > 0 {
            raw = bytes(wasRead ? self.raw(0, rawCount) : input(slot, plainCount, rawCount))
        }
        if count > 0 {
            let arrived = interruptedInput(count)
            if framed { raw += arrived } else { plain += arrived }
        }
        guard keepInput(slot, plain: plain.span.raw, raw: raw.span.raw, capacity: 0) else { return false }
        self[slot].received &+= UInt64(count)
        endStep()
        return true
    }

    /// The first bytes of what an interrupted step has read, for `resumeStep`.
    func interruptedInput(_ count: Int) -> [UInt8] {
        let offset = Int(head.step_read_offset)
        switch head.step_read {
        case UInt64(APUS_READ_NONE): return []
        case UInt64(APUS_READ_RAW): return bytes(raw(offset, count))
        default:
            let buffer = stepReadBuffer
            guard offset + count <= buffer.capacity else { return [] }
            return bytes(bufferSpan(buffer.offset + offset, count))
        }
    }

    /// The first bytes that a connection had not handled when a step of it was interrupted: what was left of earlier reads,
    /// and the `count` that this one has read.
    package func unhandledInput(_ step: InterruptedStep, read count: Int, most: Int) -> [UInt8] {
        let slot = step.slot
        let plain = Int(self[slot].input_length)
        var found = plain > 0 && inputBuffer(slot).exists ? bytes(input(slot, 0, min(plain, most))) : []
        let left = min(Int(self[slot].raw_length), most - found.count)
        if left > 0 {
            let wasRead = head.step_read != UInt64(APUS_READ_NONE)
            found += bytes(wasRead ? raw(0, left) : input(slot, plain, left))
        }
        let arrived = min(count, most - found.count)
        return arrived > 0 ? found + interruptedInput(arrived) : found
    }

    /// The buffer that the step under way reads into, which its slot may not own any more.
    var stepReadBuffer: Buffer {
        guard head.step_phase == UInt32(APUS_UNDER_WAY), head.step_read != UInt64(APUS_READ_NONE),
            head.step_read != UInt64(APUS_READ_RAW)
        else { return .none }
        return Buffer(
            unit: UInt32(truncatingIfNeeded: head.step_read), sizeClass: UInt8(truncatingIfNeeded: head.step_read >> 32)
        )
    }

    private func bytes(_ span: RawSpan) -> [UInt8] { (0..<span.byteCount).map { span.load8(at: $0) } }

    /// The router has taken so many bytes of its channel.
    /// - Returns: false where that can not be, or the channel's prelude is among what it has not taken: that died with the
    ///   former process.
    package mutating func recoverQueue(taken: UInt64) -> Bool {
        guard taken >= head.channel_prelude else { return false }
        let sent = head.channel_start + (taken - head.channel_prelude)
        guard sent >= head.queue_sent, sent <= head.queue_produced else { return false }
        head.queue_sent = sent
        return true
    }

    /// The router's stream was received up to `received`.
    /// - Returns: false where that can not be.
    package mutating func recoverBatches(received: UInt64) -> Bool {
        guard received >= head.batch_received, received &- head.batch_origin <= head.batch_bytes else { return false }
        head.batch_received = received
        return true
    }
}

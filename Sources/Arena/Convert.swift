// Brings an arena from the former layout to the one that the broker has gone over to (Messages/Layout.swift). Called by a
// successor, while no step and no batch is under way.

import CArena
import Messages

extension Arena {
    /// The layout that it is in.
    package var layout: UInt16 { UInt16(truncatingIfNeeded: head.version) }

    /// Fills in what the layout in force has beyond the former one. A death within leaves the former one, and it is done again.
    package mutating func convert() {
        guard layout < Layout.inForce else { return }
        for slot in 0..<slotsUsed { fillIn(slot) }
        apus_barrier()
        head.version = UInt32(Layout.inForce)
        apus_barrier()
    }

    /// Fills in a new connection's slot, where the arena is in this program's layout.
    package mutating func complete(_ slot: Int) {
        if Layout.former != Layout.newest, layout == Layout.newest { fillIn(slot) }
    }

    /// What this program's layout says in a slot that the former does not.
    private mutating func fillIn(_ slot: Int) {
        #if APUS_LAYOUT_VARIANT
            self[cold: slot].spare = ~self[cold: slot].accept_number
        #endif
    }

    /// Whether a slot says it as it should.
    func isComplete(_ slot: Int) -> Bool {
        #if APUS_LAYOUT_VARIANT
            return layout < Layout.newest || self[cold: slot].spare == ~self[cold: slot].accept_number
        #else
            return true
        #endif
    }
}

// Which layouts this program knows of the data that passes between processes or outlives them: frames, arenas and the
// estate. All of them have one number, because they change hands together.

/// The version of Apus that this program is.
package let apusVersion = "0.1.0"

/// The layouts of frames, arenas and the estate.
///
/// A program reads two of them, its own and the former, and writes the one that the broker is in: a newer program serves in
/// the former layout until `apusctl upgrade --commit`, so that the older one can come back. A layout grows into the room
/// that the former one has left (`spare` of a slot, the ends of the arena's first page and of a record), and appends
/// fields to frames; it moves nothing.
@usableFromInline
package enum Layout {
    /// The one that this program has brought.
    #if APUS_LAYOUT_VARIANT
        @inlinable package static var newest: UInt16 { 5 }
    #else
        @inlinable package static var newest: UInt16 { 4 }
    #endif

    /// The one before it: the same, where the release before this one had it too.
    @inlinable package static var former: UInt16 { 4 }

    /// What the process was told; zero before.
    @usableFromInline
    package nonisolated(unsafe) static var told: UInt16 = 0

    /// The one that this process writes. The supervisor's is the estate's that it took over, or the newest; a worker's is that
    /// of the first frame that it was sent. Set before there is a second thread.
    @inlinable
    package static var inForce: UInt16 {
        @inline(__always) get {
            if former == newest { return newest }
            return unsafe told == 0 ? newest : told
        }
        set { unsafe told = newValue }
    }

    /// Whether this program reads a layout.
    @inlinable
    @inline(__always)
    package static func isKnown(_ layout: UInt16) -> Bool { layout >= former && layout <= newest }

    /// The layout that a whole frame is in.
    package static func of(_ frame: RawSpan) -> UInt16 { UInt16(truncatingIfNeeded: frame.load64(at: 0) >> 48) }

    /// What is said of a layout that is not known.
    package static func refusal(_ layout: some BinaryInteger) -> String {
        let known = former == newest ? "\(newest)" : "\(former) and \(newest)"
        return "layout \(layout), Apus \(apusVersion) knows \(known)"
    }
}

// A growing table of plain values that a loop owns alone. An array would ask at every change whether it is shared, which
// on the path of a message is paid for several times; this can not be.

import CLinux
import Glibc

/// Values by number, from 0. It grows by doubling, and never shrinks. From a megabyte on it lies in pages of its own, which
/// move without being copied: growth costs the same however large it is.
@safe
@usableFromInline
package struct Table<Element>: ~Copyable {
    @usableFromInline var base: UnsafeMutablePointer<Element>
    @usableFromInline var capacity: Int
    @usableFromInline package var count: Int

    /// Whether a number's value is there; empty: all are.
    @usableFromInline var presence: [Bool] = []

    package init() {
        unsafe base = UnsafeMutablePointer<Element>.allocate(capacity: 0)
        capacity = 0
        count = 0
    }

    deinit {
        if presence.isEmpty {
            unsafe base.deinitialize(count: count)
        } else {
            for number in 0..<count where has(number) { unsafe (base + number).deinitialize(count: 1) }
        }
        if Self.isMapped(capacity) {
            unsafe munmap(base, Self.bytes(capacity))
        } else {
            unsafe base.deallocate()
        }
    }

    @inlinable package var isEmpty: Bool { count == 0 }
    @inlinable package var indices: Range<Int> { 0..<count }

    /// The value of a number below `count`; anything else is fatal.
    @inlinable
    package subscript(index: Int) -> Element {
        @inline(__always) unsafeAddress {
            precondition(index >= 0 && index < count)
            return unsafe UnsafePointer(base + index)
        }
        @inline(__always) unsafeMutableAddress {
            precondition(index >= 0 && index < count)
            return unsafe base + index
        }
    }

    /// Adds a value behind the others.
    @inlinable
    package mutating func append(_ element: Element) {
        if count == capacity { grow() }
        // Within the capacity, and not initialized.
        unsafe (base + count).initialize(to: element)
        count &+= 1
    }

    /// Makes room for so many values at once.
    package mutating func reserve(_ wanted: Int) {
        if wanted > capacity { grow(to: wanted) }
    }

    @inlinable @inline(never)
    mutating func grow() { grow(to: max(16, capacity * 2)) }

    @usableFromInline
    mutating func grow(to larger: Int) {
        if Self.isMapped(larger) {
            let former = Self.isMapped(capacity) ? Self.bytes(capacity) : 0
            // Bytes that move with their pages are the same values, and nothing points into them but `base`.
            let moved = unsafe apus_map(former > 0 ? base : nil, former, Self.bytes(larger))
            guard let moved = unsafe moved, unsafe moved != MAP_FAILED else {
                fatalError("no memory for a table of \(Self.bytes(larger)) bytes: \(SystemError("map memory"))")
            }
            let room = unsafe moved.bindMemory(to: Element.self, capacity: larger)
            if former == 0 { unsafe move(to: room) }
            unsafe base = room
        } else {
            let room = UnsafeMutablePointer<Element>.allocate(capacity: larger)
            unsafe move(to: room)
            unsafe base = room
        }
        capacity = larger
    }

    private func move(to room: UnsafeMutablePointer<Element>) {
        // All that there is moves; the former room is left uninitialized, as it is given back.
        unsafe UnsafeMutableRawPointer(room).copyMemory(from: base, byteCount: count * MemoryLayout<Element>.stride)
        unsafe base.deallocate()
    }

    /// Bytes of memory that so many values take.
    private static func bytes(_ count: Int) -> Int { count * MemoryLayout<Element>.stride }

    private static func isMapped(_ capacity: Int) -> Bool { bytes(capacity) >= 1 << 20 }

    /// Bytes of memory that it takes, reserves included; pages that were never touched cost nothing.
    package var memory: Int { Self.bytes(capacity) }

    // MARK: values that are not there

    /// Adds numbers up to `count` whose values are not there, at no cost for each. They are not to be used before they are
    /// put.
    package mutating func leaveOut(upTo count: Int) {
        presence = [Bool](repeating: true, count: self.count) + [Bool](repeating: false, count: count - self.count)
        reserve(count)
        self.count = count
    }

    /// Whether a number below `count` has a value.
    @inlinable
    package func has(_ number: Int) -> Bool { number >= presence.count || presence[number] }

    /// Gives a number its value that was left out.
    package mutating func put(_ element: Element, at number: Int) {
        precondition(number < count && !has(number))
        unsafe (base + number).initialize(to: element)
        presence[number] = true
    }

    /// Gives all a value that have none.
    /// - Returns: their numbers.
    package mutating func putAll(_ element: Element) -> [Int] {
        let missing = presence.indices.filter { !presence[$0] }
        for number in missing { unsafe (base + number).initialize(to: element) }
        presence = []
        return missing
    }

    /// The first number whose value meets a condition.
    @inlinable
    package func firstIndex(where condition: (Element) -> Bool) -> Int? { indices.first { condition(self[$0]) } }

    @inlinable
    package func contains(where condition: (Element) -> Bool) -> Bool { firstIndex(where: condition) != nil }

    @inlinable
    package func filter(_ condition: (Element) -> Bool) -> [Element] {
        indices.compactMap { condition(self[$0]) ? self[$0] : nil }
    }

    @inlinable
    package func map<Result>(_ transform: (Element) -> Result) -> [Result] { indices.map { transform(self[$0]) } }
}

extension Table where Element: BitwiseCopyable {
    /// Adds values up to `count` whose bytes are zeros, which must be a value of the type. Pages of a large table are not
    /// touched.
    package mutating func appendZeros(upTo count: Int) {
        if count > capacity { grow(to: max(count, capacity * 2)) }
        // Mapped pages have never been written behind the last value.
        if !Self.isMapped(capacity), self.count < count {
            unsafe UnsafeMutableRawPointer(base + self.count)
                .initializeMemory(
                    as: UInt8.self, repeating: 0, count: (count - self.count) * MemoryLayout<Element>.stride)
        }
        self.count = max(count, self.count)
    }
}

extension Table: @unchecked Sendable where Element: Sendable {}

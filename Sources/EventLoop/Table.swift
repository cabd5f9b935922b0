// A growing table of plain values that a loop owns alone. An array would ask at every change whether it is shared, which
// on the path of a message is paid for several times; this can not be.

/// Values by number, from 0. It grows by doubling, and never shrinks.
@safe
@usableFromInline
package struct Table<Element>: ~Copyable {
    @usableFromInline var base: UnsafeMutablePointer<Element>
    @usableFromInline var capacity: Int
    @usableFromInline package var count: Int

    package init() {
        unsafe base = UnsafeMutablePointer<Element>.allocate(capacity: 0)
        capacity = 0
        count = 0
    }

    deinit {
        unsafe base.deinitialize(count: count)
        unsafe base.deallocate()
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

    @inlinable
    mutating func grow(to larger: Int) {
        let room = UnsafeMutablePointer<Element>.allocate(capacity: larger)
        // All that there is moves; the former room is left uninitialized, as it is given back.
        unsafe room.moveInitialize(from: base, count: count)
        unsafe base.deallocate()
        unsafe base = room
        capacity = larger
    }

    /// The first number whose value meets a condition.
    package func firstIndex(where condition: (Element) -> Bool) -> Int? { indices.first { condition(self[$0]) } }

    package func contains(where condition: (Element) -> Bool) -> Bool { firstIndex(where: condition) != nil }

    package func filter(_ condition: (Element) -> Bool) -> [Element] {
        indices.compactMap { condition(self[$0]) ? self[$0] : nil }
    }

    package func map<Result>(_ transform: (Element) -> Result) -> [Result] { indices.map { transform(self[$0]) } }
}

extension Table: @unchecked Sendable where Element: Sendable {}

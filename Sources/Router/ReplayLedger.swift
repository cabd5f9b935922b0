// The frame that is being handled anew, noted where it outlives the process: in a page of a file that is mapped. A frame
// that ends every router that handles it is found by that, and skipped; see `handleAnew`.

import Glibc

@safe
struct ReplayLedger: ~Copyable {
    /// A frame of a listener's stream: where it ends.
    private struct Note: Equatable {
        var place: UInt32
        var offset: UInt64
    }

    /// Routers that may end in a frame while they handle it anew. With the one that it was new to they are one more.
    static var deaths: UInt64 { 2 }

    /// Three words: the place and one, or 0 if nothing is noted; the offset; how many routers have ended in it. nil where the
    /// file can not be had: then no frame is skipped.
    private let page: UnsafeMutablePointer<UInt64>?
    private static let byteCount = 4096
    /// What the former router had noted when it ended, and how many had before it.
    private let former: (note: Note, deaths: UInt64)?

    /// - Parameter path: of a file that nobody else uses.
    init(_ path: String) {
        unsafe page = Self.map(path)
        guard let page = unsafe page, unsafe page[0] != 0 else {
            former = nil
            return
        }
        former = unsafe (Note(place: UInt32(truncatingIfNeeded: page[0] &- 1), offset: page[1]), page[2])
    }

    private static func map(_ path: String) -> UnsafeMutablePointer<UInt64>? {
        // Safe: Swift passes the path as a C string for the call.
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // On a full disk a page that was only mapped would end the process.
        guard posix_fallocate(descriptor, 0, byteCount) == 0 else { return nil }
        let address = unsafe mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let address = unsafe address, unsafe address != MAP_FAILED else { return nil }
        // A page begins at a multiple of its length, and has any bits.
        return unsafe address.assumingMemoryBound(to: UInt64.self)
    }

    deinit {
        if let page = unsafe page { unsafe munmap(page, Self.byteCount) }
    }

    /// Notes a frame that is about to be handled anew.
    /// - Parameter offset: where it ends in the stream of `place`.
    /// - Returns: false if it is not to be handled any more.
    func begin(_ place: UInt32, _ offset: UInt64) -> Bool {
        guard let page = unsafe page else { return true }
        var deaths: UInt64 = 0
        if let former, former.note == Note(place: place, offset: offset) { deaths = former.deaths + 1 }
        unsafe page[2] = deaths
        unsafe page[1] = offset
        unsafe page[0] = UInt64(place) + 1
        return deaths < Self.deaths
    }

    /// Nothing is handled anew.
    func clear() {
        if let page = unsafe page { unsafe page[0] = 0 }
    }
}

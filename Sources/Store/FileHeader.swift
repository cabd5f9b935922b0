// What a store's files say before SQLite touches them: opening a database can change it, and a store of a newer version
// must stay as it is.

internal import Glibc

/// The first look at a store's file.
enum FileHeader: Equatable {
    case missing
    case store(version: Int32)
    /// Why it is none.
    case damaged(String)
    /// `errno`: the system does not let it be read.
    case refused(Int32)

    /// Reads the file's header, and the newest one that its write-ahead log holds.
    static func read(_ path: String) -> FileHeader {
        guard StorePaths.exists(path) else { return .missing }
        guard let page = bytes(of: path, at: 0, count: 100) else {
            return errno == EIO ? .damaged("the disk can not read its file") : .refused(errno)
        }
        if page.isEmpty { return .damaged("its file is empty") }
        if page.allSatisfy({ $0 == 0 }) { return .damaged("its file begins with zeros") }
        guard page.count == 100, page.starts(with: Array("SQLite format 3\0".utf8)) else {
            return .damaged("its file is no SQLite database")
        }
        var header = page
        for logged in firstPages(inLog: path + "-wal") where version(logged) > version(header) { header = logged }
        let application = Int32(bitPattern: integer(header, 68))
        guard application == Schema.applicationIdentifier else {
            return .damaged("its file belongs to another program (application_id \(application))")
        }
        return .store(version: version(header))
    }

    private static func version(_ page: [UInt8]) -> Int32 { Int32(bitPattern: integer(page, 60)) }

    /// Headers of the database in the frames of a write-ahead log.
    private static func firstPages(inLog path: String) -> [[UInt8]] {
        guard let header = bytes(of: path, at: 0, count: 32), header.count == 32 else { return [] }
        let pageSize = Int(integer(header, 8))
        guard pageSize >= 512, pageSize <= 65536 else { return [] }
        var pages: [[UInt8]] = []
        var offset = 32
        while let frame = bytes(of: path, at: offset, count: 24 + 100), frame.count == 124 {
            // Another salt: the rest is of an older round.
            guard frame[8..<16].elementsEqual(header[16..<24]) else { break }
            if integer(frame, 0) == 1 { pages.append(Array(frame[24...])) }
            offset += 24 + pageSize
        }
        return pages
    }

    /// A big-endian integer.
    private static func integer(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Up to `count` bytes; `nil` and `errno` where the file can not be read.
    private static func bytes(of path: String, at offset: Int, count: Int) -> [UInt8]? {
        // Safe: Swift passes the path as a C string for the call.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: count)
        // Safe: the count is that of the array.
        let length = unsafe pread(descriptor, &bytes, count, offset)
        let failure = errno
        close(descriptor)
        errno = failure
        return length < 0 ? nil : Array(bytes.prefix(length))
    }
}

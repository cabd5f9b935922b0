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
        guard let file = File(path), let page = file.bytes(at: 0, count: 100) else {
            return errno == EIO ? .damaged("the disk can not read its file") : .refused(errno)
        }
        if page.isEmpty { return .damaged("its file is empty") }
        if page.allSatisfy({ $0 == 0 }) { return .damaged("its file begins with zeros") }
        guard page.count == 100, page.starts(with: Array("SQLite format 3\0".utf8)) else {
            return .damaged("its file is no SQLite database")
        }
        let logged = File(path + "-wal")
        // What a log holds completes the file.
        if logged?.length ?? 0 == 0, let why = shortage(file, page) { return .damaged(why) }
        var header = page
        for logged in firstPages(logged) where version(logged) > version(header) { header = logged }
        let application = Int32(bitPattern: integer(header, 68))
        guard application == Schema.applicationIdentifier else {
            return .damaged("its file belongs to another program (application_id \(application))")
        }
        return .store(version: version(header))
    }

    private static func version(_ page: [UInt8]) -> Int32 { Int32(bitPattern: integer(page, 60)) }

    /// Why a file is not as long as its header says.
    private static func shortage(_ file: File, _ page: [UInt8]) -> String? {
        // 1 stands for 65,536.
        let pageSize = page[16] == 0 && page[17] == 1 ? 65536 : Int(page[16]) << 8 | Int(page[17])
        let length = Int(integer(page, 28)) * pageSize
        // Written by the last change, not by a program that does not know the field.
        guard integer(page, 24) == integer(page, 92), file.length < length else { return nil }
        return "its file has \(file.length) bytes of \(length)"
    }

    /// Headers of the database in the frames of a write-ahead log.
    private static func firstPages(_ log: File?) -> [[UInt8]] {
        guard let log, let header = log.bytes(at: 0, count: 32), header.count == 32 else { return [] }
        let pageSize = Int(integer(header, 8))
        guard pageSize >= 512, pageSize <= 65536 else { return [] }
        var pages: [[UInt8]] = []
        var offset = 32
        // There may be thousands: of the others nothing is read but what says which page it is.
        var frame = [UInt8](repeating: 0, count: 24)
        // Another salt: the rest is of an older round.
        while log.fill(&frame, at: offset), frame[8..<16].elementsEqual(header[16..<24]) {
            if integer(frame, 0) == 1, let page = log.bytes(at: offset + 24, count: 100), page.count == 100 {
                pages.append(page)
            }
            offset += 24 + pageSize
        }
        return pages
    }

    /// A big-endian integer.
    private static func integer(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
}

/// A file that is open for reading.
private final class File {
    private let descriptor: Int32

    /// `nil` and `errno` where it can not be opened.
    init?(_ path: String) {
        // Safe: Swift passes the path as a C string for the call.
        descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 { return nil }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    var length: Int { max(0, lseek(descriptor, 0, SEEK_END)) }

    /// Up to `count` bytes; `nil` and `errno` where the file can not be read.
    func bytes(at offset: Int, count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        // Safe: the count is that of the array.
        let length = unsafe pread(descriptor, &bytes, count, offset)
        return length < 0 ? nil : Array(bytes.prefix(length))
    }

    /// Reads as much as there is room for; false: there is less.
    func fill(_ bytes: inout [UInt8], at offset: Int) -> Bool {
        // Safe: the count is that of the array.
        unsafe pread(descriptor, &bytes, bytes.count, offset) == bytes.count
    }
}

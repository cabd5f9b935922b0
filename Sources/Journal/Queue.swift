// The lines that wait to be written: bounded by bytes, so that a log that is not read costs memory only up to a
// limit, and never the time of a loop. A value; Writer.swift holds it under a lock.

struct Queue: Sendable {
    /// Bytes that may wait, about.
    let capacity: Int
    private(set) var records: [Record] = []
    private var size = 0
    /// Lines that found no room since it was last reported.
    private(set) var dropped = 0

    init(capacity: Int) { self.capacity = capacity }

    /// Puts a line behind the others, or counts it as dropped.
    /// - Parameter evenIfFull: For the few lines that say what is not in the log.
    mutating func append(_ record: Record, evenIfFull: Bool = false) {
        guard evenIfFull || size + record.size <= capacity else {
            dropped += 1
            return
        }
        size += record.size
        records.append(record)
    }

    /// Everything that waits, and how many lines were lost behind it; the queue is empty afterwards.
    mutating func takeAll() -> (records: [Record], dropped: Int) {
        defer {
            records = []
            size = 0
            dropped = 0
        }
        return (records, dropped)
    }
}

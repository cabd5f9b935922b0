// What auth is told of the configuration, and what it says of the password file.

/// Everything that auth needs to know of the configuration; supervisor → auth.
package struct AuthSettings: Frame, Equatable {
    package static let type = FrameType.authSettings
    package var passwordFile = ""
    /// Counts the reloads: the file is read with each. Answered by an `AuthState` of the same number.
    package var reading: UInt32 = 0
    /// Threads that hash.
    package var threads: UInt16 = 2
    /// Requests of one listener that may be under way.
    package var requests: UInt32 = 256
    /// Connections that one listener may have, and so exchanges in which a client is to answer.
    package var connections: UInt32 = 100_000
    /// swift-log's level, 0 trace ... 6 critical.
    package var logLevel: UInt8 = 2

    package init() {}
    package func write(to writer: inout FrameWriter) {
        writer.string(passwordFile)
        writer.integer(reading)
        writer.integer(threads)
        writer.integer(requests)
        writer.integer(connections)
        writer.integer(logLevel)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        passwordFile = try reader.string()
        reading = try reader.integer()
        threads = try reader.integer()
        requests = try reader.integer()
        connections = try reader.integer()
        logLevel = try reader.integer()
    }
}

/// What has come of reading the password file; auth → supervisor.
package struct AuthState: Frame, Equatable {
    package static let type = FrameType.authState
    /// That of the settings.
    package var reading: UInt32
    /// What is wrong with the file, a line each; empty: nothing. What was read before stays in force then.
    package var problem: String

    package init(reading: UInt32, problem: String) {
        self.reading = reading
        self.problem = problem
    }
    package func write(to writer: inout FrameWriter) {
        writer.integer(reading)
        writer.string(problem)
    }
    package init(from reader: inout FrameReader) throws(FrameError) {
        reading = try reader.integer()
        problem = try reader.string()
    }
}

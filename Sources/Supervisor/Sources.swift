// What the supervisor's poller watches, and what its timers are for.

/// Who is ready, as a poller's tag: the kind in the upper byte, a number below.
enum Source: Equatable {
    case signals
    case controlSocket
    /// A listening socket, by its number.
    case port(UInt32)
    /// A worker's control channel.
    case worker(UInt32)
    /// A connection of apusctl.
    case `operator`(UInt32)
    /// The end of a process that is no child, by its worker.
    case process(UInt32)
    /// The end of a newer program that shows what it can.
    case proof
    /// What workers wrote to standard error.
    case errors
    /// What the service manager is doing with the unit.
    case unitJob
    /// How many descriptors the service manager keeps.
    case storeRoom
    /// The service manager has taken what was left with it.
    case barrier

    var tag: UInt64 {
        switch self {
        case .signals: 0 << 56
        case .controlSocket: 1 << 56
        case .port(let number): 2 << 56 | UInt64(number)
        case .worker(let number): 3 << 56 | UInt64(number)
        case .operator(let number): 4 << 56 | UInt64(number)
        case .process(let number): 5 << 56 | UInt64(number)
        case .proof: 6 << 56
        case .errors: 7 << 56
        case .unitJob: 8 << 56
        case .storeRoom: 9 << 56
        case .barrier: 10 << 56
        }
    }

    init?(tag: UInt64) {
        let number = UInt32(truncatingIfNeeded: tag)
        switch tag >> 56 {
        case 0: self = .signals
        case 1: self = .controlSocket
        case 2: self = .port(number)
        case 3: self = .worker(number)
        case 4: self = .operator(number)
        case 5: self = .process(number)
        case 6: self = .proof
        case 7: self = .errors
        case 8: self = .unitJob
        case 9: self = .storeRoom
        case 10: self = .barrier
        default: return nil
        }
    }
}

/// What is due.
enum Timer: Hashable {
    /// Every worker's heartbeat, the status line, what the gauges say.
    case beat
    /// A newer program ought to have shown by now what it can.
    case proof
    /// Auth ought to have said by now what has come of reading the password file.
    case passwords
    case watchdog
    /// A place's back-off is over; by its label.
    case respawn(String)
    /// The next worker is to be replaced.
    case roll
    /// A worker ought to be ready by now.
    case start(UInt32)
    /// A worker's control channel has ended, its process not yet.
    case lingering(UInt32)
    /// The two ends of a channel that nobody needs any more.
    case cut(Int32, Int32)
    /// The router ought to have said by now how far a place's streams have gone.
    case question(UInt32)
    /// A router has waited long enough for the listeners.
    case gathering(UInt32)
    /// A worker that retires ought to have finished its turn by now.
    case retiring(UInt32)
    /// A place may have a standby again.
    case standby(UInt32)
    /// A worker may take descriptors again.
    case flush(UInt32)
    /// The service manager ought to have said by now whether it is a restart.
    case unitJob
    /// The service manager ought to have taken by now what was left with it.
    case barrier
    /// It did not take everything that was to be left with it.
    case bequest
    /// The log is not written, and this process about to run another program.
    case goingOver
    /// The broker, or a listener that was removed, ought to have stopped by now.
    case stop
    case removal(UInt32)
    /// A listening socket has rested.
    case rest(UInt32)
    /// The control socket has rested.
    case controlRest
    /// The router ought to have answered a query by now.
    case query(UInt32)
    /// An operator's connection has been silent.
    case idle(UInt32)
}

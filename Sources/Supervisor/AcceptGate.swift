// Whether a port accepts now, and what to do about an accept that failed. A value without a clock or a socket;
// Accepting.swift keeps one for each listening socket.

import Glibc

/// The gate of one listening socket. Times in milliseconds.
package struct AcceptGate: Sendable, Equatable {
    /// The most connections that one socket accepts in one turn of the loop, so that no port keeps the others waiting.
    package static let budget = 512
    /// How long a socket rests when the system has no descriptor or memory left, unless one is freed before.
    package static let rest: UInt64 = 100

    package enum Reaction: Sendable, Equatable {
        /// That connection is gone: go on with the next.
        case next
        /// Nothing waits.
        case done
        /// No descriptor is left: refuse one connection with the reserve, so that somebody learns of it, and rest.
        case refuseAndRest
        /// Rest.
        case rest
    }

    private(set) package var restsUntil: UInt64?

    package init() {}

    /// Whether to accept, as far as the gate is concerned.
    package func isOpen(now: UInt64) -> Bool { restsUntil.map { now >= $0 } ?? true }

    /// An accept has failed with this errno.
    package mutating func failed(_ code: Int32, now: UInt64) -> Reaction {
        switch code {
        case EAGAIN: return .done
        case EMFILE, ENFILE:
            restsUntil = now + Self.rest
            return .refuseAndRest
        // What accept(2) passes on from a connection that failed before it was accepted.
        case EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP,
            ENETUNREACH, EPERM, ETIMEDOUT:
            return .next
        default:
            restsUntil = now + Self.rest
            return .rest
        }
    }

    /// A descriptor was freed, or the rest is over.
    package mutating func open() { restsUntil = nil }
}

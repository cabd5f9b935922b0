// Before a listener serves: it holds what its place has, duplicates of every socket among it, and waits for the word. The
// first listener of a place is told at once; a standby when the one that serves retires or has died.

import Channel
import EventLoop
import Glibc
import Journal
import Messages

/// What a listener takes over.
struct Heritage {
    /// The connections by their slots.
    var connections: [UInt32: (connection: Accepted.Connection, descriptor: Int32)] = [:]
    /// The channel to the router.
    var channel: (offer: ChannelOffer, descriptor: Int32)?
    /// A channel whose router is gone, which the former process may not have read to its end.
    var remains: (serial: UInt32, descriptor: Int32)?
}

/// A listener that waits.
struct Standby: ~Copyable {
    private(set) var settings: ListenerSettings
    private(set) var heritage = Heritage()
    /// The number of its place.
    private let place: UInt32
    private var control: ControlChannel?

    init(place: UInt32, settings: ListenerSettings, control: consuming ControlChannel) {
        self.place = place
        self.settings = settings
        self.control = consume control
    }

    mutating func takeControl() -> ControlChannel { control.take()! }

    /// Says that it is prepared, and waits until it is to serve. Ends the process where it is not needed any more.
    mutating func wait() throws -> TakeOver {
        try control!.send(Prepared().encoded())
        var guardian = Guardian()
        while true {
            let packet = try control!.waitForPacket { guardian.isMissing(now: monotonicMilliseconds()) }
            if let adopt = try? Adopt(decoding: packet.bytes) { guardian.adopted(by: adopt.process) }
            if let takeOver = try handle(packet) { return takeOver }
        }
    }

    private mutating func handle(_ packet: ControlChannel.Packet) throws -> TakeOver? {
        let bytes = packet.bytes.span.raw
        switch try FrameHead.read(bytes, at: 0)?.type {
        case .accepted:
            for (connection, descriptor) in zip(try Accepted(decoding: bytes).connections, packet.descriptors) {
                forget(connection.slot)
                heritage.connections[connection.slot] = (connection, descriptor)
            }
        case .released:
            for slot in try Released(decoding: bytes).slots
            where heritage.connections[slot.slot]?.connection.generation == slot.generation { forget(slot.slot) }
        case .channelOffer:
            guard let descriptor = packet.descriptors.first else { throw FrameError("a channel without a descriptor") }
            let offer = try ChannelOffer(decoding: bytes)
            if offer.history == .abandoned {
                heritage.remains = (offer.serial, descriptor)
            } else {
                heritage.channel = (offer, descriptor)
            }
        // The router that the former process knew: this one gets its own channel.
        case .peerGone: _ = try PeerGone(decoding: bytes)
        case .listenerSettings:
            settings = try ListenerSettings(decoding: bytes)
            Journal.configure(level: .init(number: settings.logLevel), connections: settings.logConnections)
        case .adopt:
            let held = heritage.connections.values.sorted { $0.connection.slot < $1.connection.slot }
            for start in stride(from: 0, to: held.count, by: descriptorsPerPacket) {
                let part = held[start..<min(start + descriptorsPerPacket, held.count)]
                let frame = Held(place: place, connections: part.map(\.connection))
                try say(frame, part.map(\.descriptor))
            }
            try say(Adopted(), [])
        case .ping:
            try control!.send(Pong(sequence: try Ping(decoding: bytes).sequence, counters: []).encoded())
        case .takeOver:
            return try TakeOver(decoding: bytes)
        case .stop:
            try control!.send(Stopped().encoded())
            exit(0)
        default:
            throw FrameError("a frame that is not for a listener that waits")
        }
        return nil
    }

    /// Tells the supervisor much at once: waits until it is taken.
    private mutating func say(_ frame: some Frame, _ descriptors: [Int32]) throws(SystemError) {
        try control!.send(frame.encoded(), descriptors: descriptors)
        while try !control!.flush() { waitForRoom(controlDescriptor, milliseconds: 10) }
    }

    private mutating func forget(_ slot: UInt32) {
        guard let former = heritage.connections.removeValue(forKey: slot) else { return }
        close(former.descriptor)
    }
}

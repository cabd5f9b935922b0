// From nothing to serving: what a listener waits for before it says Ready. Called once by `main`.

import Arena
import Channel
import EventLoop
import Glibc
import Journal
import Messages

extension Listener {
    /// Runs a listener on the control channel that the supervisor left at its fixed descriptor. Never returns.
    ///
    /// Fatal here: a supervisor that goes away or says something else than welcome, settings and an arena; the exit
    /// status is then 1.
    package static func main() -> Never {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGINT, SIG_IGN)
        do {
            var start = Start(control: ControlChannel(descriptor: controlDescriptor))
            while !start.isComplete { try start.receive() }
            guard let welcome = start.welcome, let offer = start.arena else { exit(1) }
            let arena = try Arena(descriptor: offer.descriptor, byteCount: offer.byteCount)
            close(offer.descriptor)
            Journal.bootstrap(
                worker: "listener/\(welcome.name)", level: .init(number: welcome.logLevel),
                connections: start.settings?.logConnections ?? true,
                always: [.listener: welcome.name, .generation: String(welcome.generation)])
            var listener = try Listener(
                welcome: welcome, settings: start.settings ?? ListenerSettings(), control: start.takeControl(),
                arena: arena)
            try listener.begin()
            listener.run()
        } catch {
            // Before the log is there, standard error is all there is.
            fputs("apus-listener can not start: \(error)\n", stderr)
            exit(1)
        }
    }

    mutating func begin() throws(SystemError) {
        try poller.add(control.descriptor, .readable, tag: Tag.control)
    }
}

/// The frames that come before everything else.
private struct Start: ~Copyable {
    private var control: ControlChannel?
    private(set) var welcome: Welcome?
    private(set) var settings: ListenerSettings?
    private(set) var arena: (descriptor: Int32, byteCount: UInt64)?

    init(control: consuming ControlChannel) { self.control = consume control }

    var isComplete: Bool { welcome != nil && settings != nil && arena != nil }

    mutating func takeControl() -> ControlChannel { control.take()! }

    /// Waits for one packet and stores what it says.
    mutating func receive() throws {
        var poller = try Poller(eventsPerTurn: 1)
        try poller.add(controlDescriptor, .readable, tag: 0)
        while try poller.wait(milliseconds: -1) == 0 {}
        guard case .packet(let packet)? = try control?.receive() else {
            throw FrameError("the supervisor went away before it said what to do")
        }
        let bytes = packet.bytes.span.raw
        switch try FrameHead.read(bytes, at: 0)?.type {
        case .welcome:
            welcome = try Welcome(decoding: bytes)
            setProcessTitle("apus-listener: \(welcome?.name ?? "")")
        case .listenerSettings:
            settings = try ListenerSettings(decoding: bytes)
        case .arenaOffer:
            guard let descriptor = packet.descriptors.first else { throw FrameError("an arena without a descriptor") }
            arena = (descriptor, try ArenaOffer(decoding: bytes).byteCount)
        default:
            throw FrameError("a frame before welcome, settings and arena")
        }
    }
}

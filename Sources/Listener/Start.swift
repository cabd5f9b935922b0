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
        ignoreSignals()
        reportCrashes("apus-listener", version: apusVersion)
        var listener = started()
        listener.run()
        exit(0)
    }

    private static func started() -> Listener {
        do {
            return try start()
        } catch {
            failToStart("apus-listener", error)
        }
    }

    private static func start() throws -> Listener {
        var start = Start()
        while !start.isComplete { try start.receive() }
        guard let welcome = start.welcome, let settings = start.settings, let offer = start.arena else {
            throw FrameError("the supervisor did not say what to do")
        }
        let arena = try Arena(descriptor: offer.descriptor, byteCount: offer.byteCount)
        Glibc.close(offer.descriptor)
        let failures = giveUpSurroundings()
        Journal.bootstrap(
            worker: "listener/\(welcome.name)", level: .init(number: settings.logLevel),
            connections: settings.logConnections,
            // One of several that share a port is NAME/2.
            always: [
                .listener: String(welcome.name.prefix { $0 != "/" }), .generation: String(welcome.generation),
            ])
        // It has the unit's limits still, and serves.
        for failure in failures {
            Journal.log(.workerUnconfined, [.worker: "listener/\(welcome.name)", .reason: "\(failure)"])
        }
        var standby = Standby(place: welcome.worker, settings: settings, control: start.takeControl())
        let takeOver = try standby.wait()
        var listener = try Listener(
            welcome: welcome, settings: standby.settings, control: standby.takeControl(), arena: arena)
        try listener.takeOver(standby.heritage, afterDeath: takeOver.afterDeath)
        return listener
    }
}

/// The frames that come before everything else.
private struct Start: ~Copyable {
    private var control: ControlChannel? = ControlChannel(descriptor: controlDescriptor)
    private(set) var welcome: Welcome?
    private(set) var settings: ListenerSettings?
    private(set) var arena: (descriptor: Int32, byteCount: UInt64)?

    var isComplete: Bool { welcome != nil && settings != nil && arena != nil }

    mutating func takeControl() -> ControlChannel { control.take()! }

    /// Waits for one packet and stores what it says.
    mutating func receive() throws {
        let packet = try control!.waitForPacket()
        let bytes = packet.bytes.span.raw
        switch try FrameHead.read(bytes, at: 0)?.type {
        case .welcome:
            let first = try Welcome(decoding: bytes)
            Layout.inForce = first.layout
            welcome = first
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

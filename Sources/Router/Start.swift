// From nothing to serving: what the router waits for before it says Ready. Called once by `main`.

import Channel
import EventLoop
import Glibc
import Journal
import Messages

extension Router {
    /// Runs the router on the control channel that the supervisor left at its fixed descriptor. Never returns.
    ///
    /// Fatal here: a supervisor that goes away or says something else than welcome and settings; the exit status is
    /// then 1.
    package static func main() -> Never {
        ignoreSignals()
        var router = started()
        router.run()
        exit(0)
    }

    private static func started() -> Router {
        do {
            return try start()
        } catch {
            failToStart("apus-router", error)
        }
    }

    private static func start() throws -> Router {
        var start = Start()
        let welcome = try Welcome(decoding: start.next())
        let settings = try RouterSettings(decoding: start.next())
        setProcessTitle("apus-router")
        Journal.bootstrap(
            worker: "router", level: .init(number: settings.logLevel), always: [.generation: String(welcome.generation)]
        )
        let store = try openStore(settings)
        var router = try Router(
            welcome: welcome, settings: settings, control: start.takeControl(), store: store)
        try router.loadSessions()
        return router
    }
}

/// The control channel until the router has it.
private struct Start: ~Copyable {
    private var control: ControlChannel? = ControlChannel(descriptor: controlDescriptor)

    mutating func next() throws -> [UInt8] { try control!.waitForPacket().bytes }

    mutating func takeControl() -> ControlChannel { control.take()! }
}

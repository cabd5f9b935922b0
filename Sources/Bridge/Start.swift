// From nothing to serving. Called once by `main`.

internal import Channel
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages

extension Bridge {
    /// Runs the bridge on the control channel that the supervisor left at its fixed descriptor. Never returns.
    ///
    /// Fatal here: a supervisor that goes away or says something else than welcome and settings; the exit status is then 1.
    package static func main() -> Never {
        ignoreSignals()
        reportCrashes("apus-bridge", version: apusVersion)
        do {
            let bridge = try start()
            try bridge.run()
        } catch {
            failToStart("apus-bridge", error)
        }
        exit(0)
    }

    private static func start() throws -> Bridge {
        var control = ControlChannel(descriptor: controlDescriptor)
        let welcome = try Welcome(decoding: control.waitForPacket().bytes)
        Layout.inForce = welcome.layout
        let settings = try BridgeSettings(decoding: control.waitForPacket().bytes)
        setProcessTitle("apus-bridge")
        Journal.bootstrap(
            worker: "bridge", level: .init(number: settings.logLevel), always: [.generation: String(welcome.generation)]
        )
        try control.send(Prepared().encoded())
        return try Bridge(welcome: welcome, settings: settings, control: control)
    }
}

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
        signal(SIGPIPE, SIG_IGN)
        signal(SIGINT, SIG_IGN)
        do {
            var control = ControlChannel(descriptor: controlDescriptor)
            let welcome = try Welcome(decoding: next(&control).span.raw)
            let settings = try RouterSettings(decoding: next(&control).span.raw)
            setProcessTitle("apus-router")
            Journal.bootstrap(
                worker: "router", level: .init(number: welcome.logLevel),
                always: [.generation: String(welcome.generation)])
            var router = try Router(welcome: welcome, settings: settings, control: control)
            try router.report(Ready())
            router.run()
        } catch {
            // Before the log is there, standard error is all there is.
            fputs("apus-router can not start: \(error)\n", stderr)
            exit(1)
        }
    }

    /// Waits for a packet.
    private static func next(_ control: inout ControlChannel) throws -> [UInt8] {
        var poller = try Poller(eventsPerTurn: 1)
        try poller.add(control.descriptor, .readable, tag: 0)
        while try poller.wait(milliseconds: -1) == 0 {}
        guard case .packet(let packet) = try control.receive() else {
            throw FrameError("the supervisor went away before it said what to do")
        }
        return packet.bytes
    }
}

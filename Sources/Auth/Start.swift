// From nothing to serving. Called once by `main`.

internal import Channel
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages
internal import Passwords

extension AuthWorker {
    /// Runs auth on the control channel that the supervisor left at its fixed descriptor. Never returns. With `--check FILE` it
    /// only reads that password file, says on standard error what is wrong with it, and exits with 78 (EX_CONFIG) then.
    ///
    /// Fatal here: a supervisor that goes away or says something else than welcome and settings; the exit status is then 1.
    package static func main() -> Never {
        let arguments = CommandLine.arguments
        if arguments.count == 3, arguments[1] == "--check" { check(arguments[2]) }
        ignoreSignals()
        reportCrashes("apus-auth", version: apusVersion)
        do {
            let worker = try start()
            try worker.run()
        } catch {
            failToStart("apus-auth", error)
        }
        exit(0)
    }

    private static func start() throws -> AuthWorker {
        var control = ControlChannel(descriptor: controlDescriptor)
        let welcome = try Welcome(decoding: control.waitForPacket().bytes)
        Layout.inForce = welcome.layout
        let settings = try AuthSettings(decoding: control.waitForPacket().bytes)
        setProcessTitle("apus-auth")
        Journal.bootstrap(
            worker: "auth", level: .init(number: settings.logLevel), always: [.generation: String(welcome.generation)])
        let worker = try AuthWorker(welcome: welcome, settings: settings, control: control)
        worker.readPasswords()
        try worker.control.send(Prepared().encoded())
        return worker
    }

    private static func check(_ path: String) -> Never {
        do throws(PasswordFile.Problems) {
            _ = try PasswordFile.read(path)
            exit(0)
        } catch {
            let text = Array((error.description + "\n").utf8)
            // The call is told the size of the bytes.
            _ = unsafe write(STDERR_FILENO, text, text.count)
            exit(EX_CONFIG)
        }
    }
}

import Configuration
import Messages
import Testing

@testable import Supervisor

@Suite struct ReloadTests {
    private func configuration() -> Configuration {
        Configuration(stateDirectory: "/s", runtimeDirectory: "/r", libexecDirectory: "/l")
    }

    @Test func whatIsBuiltIntoTheProcessesStays() {
        let old = configuration()
        var new = old
        new.runtimeDirectory = "/elsewhere"
        new.limits.connections = 5
        new.limits.memory = 1 << 20
        new.limits.packetSize = 99
        new.listeners[0].bind = .ipv4(host: "127.0.0.1", port: 9)
        new.listeners[0].workers = 7
        #expect(old.applying(new) == old)
    }

    @Test func whatCanChangeChanges() {
        let old = configuration()
        var new = old
        new.log.connections = false
        new.limits.queueMessages = 7
        new.auth.anonymous = .everyone
        new.supervisor.stopTimeout = .seconds(1)
        new.listeners[1].origins = ["*"]
        new.listeners.append(
            Configuration.Listener(name: "more", transport: .mqtt, bind: .ipv4(host: "127.0.0.1", port: 9)))
        new.listeners.remove(at: 0)
        #expect(old.applying(new) == new)
    }

    @Test func settingsSayWhatTheConfigurationSays() {
        var configuration = configuration()
        configuration.limits.keepAliveMax = .seconds(65_535)
        configuration.auth.anonymous = .nobody
        configuration.limits.connectTimeout = .milliseconds(1500)
        var settings = listenerSettings(configuration, configuration.listeners[1], isLoopback: false)
        #expect(settings.transport == .webSocket)
        #expect(settings.anonymous == .refused)
        #expect(!settings.boundToLoopback)
        #expect(settings.connectTimeout == 1500)
        #expect(settings.keepAliveMaximum == 0)
        configuration.limits.keepAliveMax = .seconds(60)
        settings = listenerSettings(configuration, configuration.listeners[0], isLoopback: true)
        #expect(settings.keepAliveMaximum == 60)
        #expect(settings.transport == .mqtt)
        configuration.limits.queuePolicy = .disconnect
        #expect(routerSettings(configuration).queuePolicy == .disconnect)
    }

    @Test func exitStatusesAreReadAsTheKernelWritesThem() {
        #expect(ExitStatus(0) == .exited(0))
        #expect(ExitStatus(78 << 8) == .exited(78))
        #expect(ExitStatus(9) == .signal(9))
        #expect(ExitStatus(0x8B) == .signal(11))
        #expect(ExitStatus(9).description == "signal 9 (Killed)")
    }
}

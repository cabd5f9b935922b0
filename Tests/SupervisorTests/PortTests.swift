import Configuration
import EventLoop
import Glibc
import Messages
import Testing

@testable import Supervisor

@Suite struct PortTests {
    @Test func acceptedConnectionsInheritTheOptions() throws {
        let socket = try listen(AF_INET, "127.0.0.1", 0, backlog: 4)
        defer { close(socket.descriptor) }
        #expect(socket.address.isLoopback && socket.address.port != 0)
        #expect(socket.text == "127.0.0.1:\(socket.address.port)")

        let client = try connect(to: socket.address.port)
        defer { close(client) }
        var connection: Int32 = -1
        for _ in 0..<1000 where connection < 0 {
            connection = acceptAnonymously(socket.descriptor)
            if connection < 0 { usleep(1000) }
        }
        try #require(connection >= 0)
        defer { close(connection) }
        #expect(option(connection, Int32(IPPROTO_TCP), TCP_NODELAY) != 0)
        #expect(option(connection, SOL_SOCKET, SO_KEEPALIVE) != 0)
        #expect(option(connection, Int32(IPPROTO_TCP), TCP_KEEPIDLE) == 60)
        #expect(option(connection, SOL_SOCKET, SO_OOBINLINE) != 0)
        #expect(fcntl(connection, F_GETFL) & O_NONBLOCK != 0)
        #expect(fcntl(connection, F_GETFD) & FD_CLOEXEC != 0)
    }

    @Test func aPortInUseNamesItsHolder() throws {
        let socket = try listen(AF_INET, "127.0.0.1", 0, backlog: 4)
        defer { close(socket.descriptor) }
        let listener = Configuration.Listener(
            name: "mqtt", transport: .mqtt, bind: .ipv4(host: "127.0.0.1", port: socket.address.port))
        let failure = #expect(throws: PortFailure.self) {
            try openSockets(of: listener, passed: [], others: [listener])
        }
        #expect(failure?.isInUse == true)
        #expect(failure?.reason.contains("(process \(getpid())) holds it") == true)
        #expect(failure?.description.hasPrefix("127.0.0.1:\(socket.address.port) of mqtt is in use: ") == true)
    }

    @Test func anAddressOfAnotherMachineIsRefused() {
        let listener = Configuration.Listener(
            name: "mqtt", transport: .mqtt, bind: .ipv4(host: "192.0.2.1", port: 0))
        let failure = #expect(throws: PortFailure.self) {
            try openSockets(of: listener, passed: [], others: [listener])
        }
        #expect(failure?.reason.contains("no such address") == true)
    }

    @Test func aSocketThatSystemdDoesNotPassIsRefused() {
        let listener = Configuration.Listener(name: "mqtt", transport: .mqtt, bind: .systemd(name: "apus-mqtt"))
        let failure = #expect(throws: PortFailure.self) {
            try openSockets(of: listener, passed: [], others: [listener])
        }
        #expect(failure?.reason.contains("FileDescriptorName=apus-mqtt") == true)
    }

    @Test func socketsAreReadFromTheTablesOfTheKernel() {
        let table = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:075B 00000000:0000 0A 00000000:00000000 00:00000000 00000000   104        0 4711 1 0 100 0
               1: 0100007F:075B 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0
               2: 0100007F:075C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0
            """
        let found = listeningSockets(inTable: table, port: 1883)
        #expect(found.map(\.user) == [104])
        #expect(found.map(\.inode) == [4711])
        #expect(listeningSockets(inTable: "", port: 1883).isEmpty)
    }

    private func connect(to port: UInt16) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = unsafe withUnsafeBytes(of: &address) {
            unsafe Glibc.connect(
                descriptor, $0.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t($0.count))
        }
        guard result == 0 else { throw SystemError("connect") }
        return descriptor
    }

    private func option(_ descriptor: Int32, _ level: Int32, _ name: Int32) -> Int32 {
        var value: Int32 = -1
        var size = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(descriptor, level, name, &value, &size)
        return value
    }
}

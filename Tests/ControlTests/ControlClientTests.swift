// The blocking client against a server that is a real Unix socket and a thread.

import Control
import Foundation
import Glibc
import Testing

@Suite struct ControlClientTests {
    @Test func answersOfSeveralRequests() throws {
        let server = try Server { request in
            switch request {
            case .status: [.status(status), .end(next: nil)]
            case .clients(let limit, nil): Array(repeating: .client(client), count: min(limit, 3)) + [.end(next: 3)]
            case .clients(_, .some): [.client(client), .end(next: nil)]
            case .kick("a"): [.end(next: nil)]
            case .kick(let id): [.error(Refusal(.noSuchClient, id))]
            case .restart("router"): [.end(next: nil)]
            case .restart(let worker): [.error(Refusal(.noSuchWorker, worker))]
            case .upgrade(true): [.error(Refusal(.upgradeFailed, "not yet"))]
            case .upgrade: [.end(next: nil)]
            case .reload: [.reload(ReloadReport(applied: [], needsRestart: ["listener"])), .end(next: nil)]
            }
        }
        var control = try ControlClient(path: server.path)
        #expect(try control.status() == status)
        var seen = 0
        try control.clients { _ in seen += 1 }
        #expect(seen == 4, "both pages")
        seen = 0
        try control.clients(limit: 2) { _ in seen += 1 }
        #expect(seen == 2)
        try control.restart("router")
        try control.upgrade(commit: false)
        #expect(throws: ControlFailure.refused(Refusal(.upgradeFailed, "not yet"))) {
            try control.upgrade(commit: true)
        }
        #expect(throws: ControlFailure.refused(Refusal(.noSuchWorker, "nobody"))) { try control.restart("nobody") }
        try control.kick("a")
        do throws(ControlFailure) {
            try control.kick("b")
            Issue.record("was not refused")
        } catch {
            #expect(error == .refused(Refusal(.noSuchClient, "b")))
        }
        #expect(try control.reload().needsRestart == ["listener"])
    }

    @Test func aSilentServerTimesOut() throws {
        let server = try Server { _ in [] }
        var control = try ControlClient(path: server.path, timeout: .milliseconds(50))
        do throws(ControlFailure) {
            _ = try control.status()
            Issue.record("did not time out")
        } catch {
            #expect(error == .timedOut(seconds: 0.05))
        }
    }

    @Test func aServerThatLeaves() throws {
        let server = try Server { _ in nil }
        var control = try ControlClient(path: server.path)
        do throws(ControlFailure) {
            _ = try control.status()
            Issue.record("did not fail")
        } catch {
            #expect(error == .disconnected)
        }
    }

    @Test func noServer() {
        do throws(ControlFailure) {
            _ = try ControlClient(path: "/nonexistent/control.sock")
            Issue.record("did not fail")
        } catch {
            #expect(error == .unreachable(path: "/nonexistent/control.sock", reason: "No such file or directory"))
        }
        let long = "/" + String(repeating: "x", count: 200)
        do throws(ControlFailure) {
            _ = try ControlClient(path: long)
            Issue.record("did not fail")
        } catch {
            #expect(error == .pathTooLong(path: long))
        }
    }

    @Test func credentialsOfThisProcess() throws {
        var ends: [Int32] = [-1, -1]
        try #require(unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        defer { for end in ends { close(end) } }
        let peer = try #require(PeerCredentials(of: ends[0]))
        #expect(peer.process == getpid())
        #expect(peer.user == getuid())
        #expect(peer.groups.contains(getgid()))
        #expect(PeerCredentials(of: -1) == nil)
    }

    @Test func whoMayOperate() {
        func may(_ user: UInt32, _ groups: [UInt32], group: UInt32?) -> Bool {
            PeerCredentials(process: 1, user: user, groups: groups).mayOperate(owner: 990, group: group)
        }
        #expect(may(0, [], group: nil))
        #expect(may(990, [], group: nil))
        #expect(!may(1000, [1000], group: nil))
        #expect(!may(1000, [1000], group: 980))
        #expect(may(1000, [1000, 980], group: 980))
        #expect(!may(1000, [0], group: nil))
    }
}

/// Serves one connection with a `RequestDecoder`, on a thread of its own, until the client leaves. `nil` as an answer
/// closes the connection.
final class Server {
    let path: String
    private let listening: Int32

    init(_ answer: @escaping @Sendable (Request) -> [Response]?) throws {
        path = "/tmp/apus-control-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
        listening = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        let bound = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bind(listening, address, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
        try #require(listen(listening, 1) == 0)

        // A thread, not a task: both sides block, and there may be no more threads for tasks than cores.
        Thread.detachNewThread { [listening] in
            let connection = accept(listening, nil, nil)
            defer { close(connection) }
            var decoder = RequestDecoder()
            var buffer = [UInt8](repeating: 0, count: 16)
            while true {
                let count = unsafe read(connection, &buffer, buffer.count)
                guard count > 0 else { return }
                let bytes = Array(buffer.prefix(count))
                decoder.receive(bytes.span)
                while let request = try? decoder.next() {
                    guard let responses = answer(request) else { return }
                    // In small pieces, as a network would.
                    for byte in responses.flatMap(encode) {
                        _ = unsafe withUnsafeBytes(of: byte) { unsafe write(connection, $0.baseAddress, 1) }
                    }
                }
            }
        }
    }

    deinit {
        close(listening)
        _ = unsafe unlink(path)
    }
}

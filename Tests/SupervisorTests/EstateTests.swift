// What a supervisor leaves: the memory file, and the tables that are made from an arena.

import Glibc
import Messages
import Testing

@testable import Supervisor

@Suite struct EstateTests {
    private func estate(_ number: UInt32) -> Estate {
        Estate(
            lastNumber: number, lastAccept: 7,
            places: [
                .init(
                    number: 1, role: .router, name: "router", generation: 3, served: 2, hasDied: false,
                    worker: .init(number: 9, generation: 3, process: 77), successor: nil)
            ],
            wires: [.init(serial: 4, listener: 2, router: 1, isAbandoned: true)])
    }

    @Test func theLastOneThatWasWrittenIsRead() throws {
        var file = try EstateFile()
        #expect((try? file.read()) == nil)
        for number in 1...5 {
            file.write(estate(UInt32(number)))
            #expect(try file.read() == estate(UInt32(number)))
        }
        // The next supervisor goes on writing.
        var next = EstateFile(descriptor: file.descriptor)
        #expect(try next.read() == estate(5))
        next.write(estate(6))
        #expect(try next.read() == estate(6))
    }

    @Test func aTornOneIsNotRead() throws {
        var file = try EstateFile()
        file.write(estate(1))
        file.write(estate(2))
        // The second copy's last byte; the call reads one.
        var byte: UInt8 = 0xFF
        let end = off_t(24 + estate(2).encoded().count - 1)
        for copy in [0, 1] {
            let count = unsafe pwrite(file.descriptor, &byte, 1, off_t(copy) << 20 + end)
            #expect(count == 1)
            #expect((try? file.read()) == (copy == 0 ? estate(1) : nil))
        }
    }

    private func connection(_ slot: UInt32, _ generation: UInt32) -> Accepted.Connection {
        .init(slot: slot, generation: generation, acceptNumber: 1, peer: PeerAddress(ipv4: 1, port: 1))
    }

    @Test func aTableIsMadeFromAnArena() {
        var table = SlotTable(
            capacity: 5,
            former: [
                .init(generation: 4, isFree: false), .init(generation: 2, isFree: true),
                .init(generation: 8, isFree: false),
            ])
        #expect(table.count == 0)
        let taken = [
            // As it was; given back meanwhile; another generation; accepted and never seen; beyond the capacity.
            table.restore(connection(0, 4), 10), table.restore(connection(1, 2), 11),
            table.restore(connection(2, 9), 12),
            table.restore(connection(3, 1), 13), table.restore(connection(5, 1), 14),
        ]
        #expect(taken == [true, false, false, true, false])
        #expect(table.count == 2)
        #expect(table.holds(connection(0, 4)))
        #expect(!table.holds(connection(0, 5)) && !table.holds(connection(1, 2)) && !table.holds(connection(9, 1)))
        // Slot 2 is not free before the listener has given it back; slot 1 goes on with its generation.
        do {
            let opened = table.open(20)
            #expect(opened == .init(index: 1, generation: 3))
        }
        do {
            let opened = table.open(21)
            #expect(opened == .init(index: 4, generation: 1))
        }
        do {
            let opened = table.open(22)
            #expect(opened == nil)
        }
        do {
            let closed = table.close(.init(index: 2, generation: 8))
            #expect(closed == nil)
        }
        do {
            let opened = table.open(22)
            #expect(opened == .init(index: 2, generation: 9))
        }
        do {
            let closed = table.close(.init(index: 0, generation: 4))
            #expect(closed == 10)
        }
        #expect(table.connections(from: 0, count: 10).connections == [connection(3, 1)])
    }
}

// What a former supervisor has left: ports, arenas and channels, sockets that were parked; Adopt.swift has the workers. Read
// once, at the start. What can not be used is closed, and the log says so; nothing here keeps the broker from starting.

internal import Arena
internal import CLinux
internal import Channel
internal import Configuration
internal import EventLoop
internal import Glibc
internal import Journal
internal import Messages
internal import Systemd

/// Descriptors by their names, each taken once, and what they are.
struct Inheritance {
    private var descriptors: [String: Int32] = [:]
    private(set) var estate: Estate?
    private(set) var file: EstateFile?
    /// Why there is no estate, though there is a file.
    private(set) var problem: String?

    init(_ passed: [ListenDescriptor]) {
        for passed in passed where passed.name.hasPrefix(DescriptorStore.prefix) {
            _ = fcntl(passed.descriptor, F_SETFD, FD_CLOEXEC)
            let name = String(passed.name.dropFirst(DescriptorStore.prefix.count))
            // A name that is there twice is one of two supervisors: the last is the newer.
            if let former = descriptors.updateValue(passed.descriptor, forKey: name) { close(former) }
        }
        guard let descriptor = take(EstateFile.name) else { return }
        let file = EstateFile(descriptor: descriptor)
        self.file = file
        do throws(FrameError) {
            estate = try file.read()
        } catch {
            problem = "\(error)"
        }
    }

    var names: [String] { descriptors.keys.sorted() }

    mutating func take(_ name: String) -> Int32? { descriptors.removeValue(forKey: name) }

    func place(_ role: Role, _ name: String) -> Estate.Place? {
        estate?.places.first { $0.role == role && $0.name == name }
    }

    /// Closes what nobody has taken.
    mutating func closeRest() {
        for (name, descriptor) in descriptors {
            DescriptorStore.remove(name)
            close(descriptor)
        }
        descriptors = [:]
    }
}

extension Supervisor {
    /// Begins to keep what a successor needs, and takes what was left.
    func openEstate() {
        inheritance = Inheritance(passed)
        guard DescriptorStore.isAvailable || inheritance.file != nil else { return }
        if DescriptorStore.isAvailable { askForStoreRoom() }
        if let problem = inheritance.problem {
            Journal.log(.inheritanceLost, [.key: "what the former supervisor has left", .reason: problem])
        }
        if let estate = inheritance.estate {
            Layout.inForce = estate.layout
            lastNumber = estate.lastNumber
            lastAccept = estate.lastAccept
            bequeathed = Set(inheritance.names + [EstateFile.name])
        }
        estateFile = inheritance.file
        do throws(SystemError) {
            if estateFile == nil { estateFile = try EstateFile() }
        } catch {
            Journal.log(.inheritanceLost, [.key: "the estate", .reason: "\(error)"])
        }
    }

    /// The place of a worker, as the former supervisor has left it.
    func makePlace(_ role: Role, _ name: String, listener: String? = nil) -> Place {
        guard let left = inheritance.place(role, name) else {
            return Place(number: nextNumber(), role: role, name: name, listener: listener)
        }
        let place = Place(number: left.number, role: role, name: name, listener: listener)
        place.generation = left.generation
        place.served = Int(left.served)
        if role == .listener { takeArena(of: place, left) }
        return place
    }

    private func takeArena(of place: Place, _ left: Estate.Place) {
        guard let descriptor = inheritance.take("arena-\(left.number)") else { return }
        do throws(ArenaError) {
            let survey = try ArenaSurvey(descriptor: descriptor)
            guard survey.fits(arenaLayout) else {
                throw .layout("an arena for smaller packets than limits.packet_size")
            }
            place.arena = (descriptor, survey.byteCount)
            place.slots = SlotTable(
                capacity: Int(survey.slotCount),
                former: survey.slots.map { SlotTable.Former(generation: $0.generation, isFree: $0.isFree) })
            place.past = left.hasDied ? .died : left.served > 0 ? .inOrder : .none
            lastAccept = max(lastAccept, survey.slots.reduce(0) { max($0, $1.acceptNumber) })
        } catch {
            Journal.log(
                .inheritanceLost, [.key: "the connections of \(place.label)", .reason: "\(error)"], of: place.fields)
            close(descriptor)
        }
    }

    /// The listening sockets that were left, if they are those that the configuration asks for. They keep their numbers, and
    /// so the names that they are kept by.
    func inheritedSockets(of listener: Configuration.Listener) -> [UInt32: ListeningSocket] {
        let prefix = "port-\(listener.name)-"
        var sockets: [UInt32: ListeningSocket] = [:]
        for name in inheritance.names where name.hasPrefix(prefix) {
            guard let number = UInt32(name.dropFirst(prefix.count)), let descriptor = inheritance.take(name) else {
                continue
            }
            if let socket = try? adopt(descriptor), socket.isBound(to: listener.bind) {
                sockets[number] = socket
            } else {
                close(descriptor)
            }
        }
        return sockets
    }

    /// Takes what belongs to the places that there are now, closes the rest.
    func inherit(_ now: UInt64) {
        guard let estate = inheritance.estate else { return inheritance.closeRest() }
        inheritWires(estate)
        inheritParked()
        for left in estate.places { inheritWorkers(left, now) }
        endStrangers()
        inheritance.closeRest()
        // A router that is gone has left what its listeners may not have read.
        for place in places where place.role == .router && place.worker == nil { unwire(place, now) }
    }

    private func inheritWires(_ estate: Estate) {
        for left in estate.wires {
            guard let place = places.first(where: { $0.number == left.listener }),
                let listenerEnd = inheritance.take("wire-\(left.serial)-listener")
            else { continue }
            let routerEnd = inheritance.take("wire-\(left.serial)-router")
            let wire = Wire(
                serial: left.serial, listener: left.listener, router: left.router, listenerEnd: listenerEnd,
                routerEnd: routerEnd ?? -1)
            if left.isAbandoned || routerEnd == nil {
                place.remains = wire
            } else {
                wires.append(wire)
                // Whatever the former supervisor had asked for.
                place.isChannelHeld = true
            }
        }
    }

    /// The sockets that the former supervisor has parked. They stay there until this one is ready: should it die before,
    /// the next one finds them as well.
    private func inheritParked() {
        for name in inheritance.names where name.hasPrefix("parked-") {
            guard let descriptor = inheritance.take(name) else { continue }
            parked[name] = descriptor
            do throws(SystemError) {
                for packet in try ControlChannel.look(into: descriptor) {
                    guard let held = try? Held(decoding: packet.bytes),
                        held.connections.count == packet.descriptors.count
                    else {
                        for descriptor in packet.descriptors { close(descriptor) }
                        continue
                    }
                    takeHeld(held, packet.descriptors)
                }
            } catch {
                Journal.log(.inheritanceLost, [.key: "a part of the connections", .reason: "\(error)"])
            }
        }
    }

    /// Connections that another process held. Those that nobody can go on with are closed.
    func takeHeld(_ held: Held, _ descriptors: [Int32]) {
        let place = places.first { $0.number == held.place }
        for (connection, descriptor) in zip(held.connections, descriptors) {
            if let place, place.arena != nil {
                if place.slots.restore(connection, descriptor) { continue }
                // Who lives on has it too, and it was parked.
                if place.slots.holds(connection) {
                    close(descriptor)
                    continue
                }
            }
            // It is over, or will be now.
            doomed.append(descriptor)
        }
    }
}

extension ListeningSocket {
    fileprivate func isBound(to bind: Configuration.Address) -> Bool {
        switch bind {
        case .ipv4(let host, let port), .ipv6(let host, let port):
            self.host == host && (port == 0 || address.port == port)
        case .systemd: true
        }
    }
}

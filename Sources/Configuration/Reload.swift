// What a reload (SIGHUP, `apusctl reload`) means for each difference between two configurations. Pure: the table of
// keys says which settings a running broker can take over; the supervisor does it, and names those that must wait.

extension Configuration {
    /// What is in force once `new` has been read again: its settings, but for those that wait for a restart, which
    /// stay as they are. Listeners come and go by their names.
    package func applying(_ new: Configuration) -> Configuration {
        var next = new
        for section in Self.sections { Self.keep(section.keys, from: self, in: &next) }
        for index in next.listeners.indices {
            guard let former = listeners.first(where: { $0.name == next.listeners[index].name }) else { continue }
            Self.keep(Self.listenerKeys, from: former, in: &next.listeners[index])
        }
        return next
    }

    /// The settings in which `new` differs, by their full names (`limits.packet_size`, `listener.web.bind`; a
    /// listener that came or went is `listener.web`): those that a running broker takes over at once, and those
    /// that wait for a restart. Both in the order of the reference.
    package func changes(to new: Configuration) -> (applied: [String], needsRestart: [String]) {
        var applied: [String] = []
        var needsRestart: [String] = []
        func note<Root>(_ keys: [Key<Root>], _ prefix: String, _ old: Root, _ new: Root) {
            for key in keys where key.get(old) != key.get(new) {
                if key.reload { applied.append(prefix + key.name) } else { needsRestart.append(prefix + key.name) }
            }
        }
        for section in Self.sections {
            note(section.keys, section.name.isEmpty ? "" : section.name + ".", self, new)
        }
        for listener in listeners {
            if let successor = new.listeners.first(where: { $0.name == listener.name }) {
                note(Self.listenerKeys, "listener.\(listener.name).", listener, successor)
            } else {
                applied.append("listener.\(listener.name)")
            }
        }
        for listener in new.listeners where !listeners.contains(where: { $0.name == listener.name }) {
            applied.append("listener.\(listener.name)")
        }
        if let bridge, let successor = new.bridge {
            note(Self.bridgeKeys, "bridge.rabbitmq.", bridge, successor)
        } else if (bridge == nil) != (new.bridge == nil) {
            applied.append("bridge.rabbitmq")
        }
        return (applied, needsRestart)
    }

    /// Puts the old value back wherever a reload does not change it.
    private static func keep<Root>(_ keys: [Key<Root>], from old: Root, in new: inout Root) {
        // Whatever a configuration holds has passed its key's own check, so that it is never refused here.
        for key in keys where !key.reload { _ = key.set(&new, key.get(old)) }
    }
}

// What a reload (SIGHUP) means for each difference between two configurations. Pure; the supervisor applies the first
// list and tells the operator about the second.

extension Configuration {
    /// The settings in which `new` differs, by their full names (`limits.packet_size`, `listener.web.bind`; a
    /// listener that came or went is `listener.web`): those that a running broker can take over at once, and those
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
                needsRestart.append("listener.\(listener.name)")
            }
        }
        for listener in new.listeners where !listeners.contains(where: { $0.name == listener.name }) {
            needsRestart.append("listener.\(listener.name)")
        }
        return (applied, needsRestart)
    }
}

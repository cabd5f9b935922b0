// The store at the router's start and at its orderly end.

import EventLoop
import Glibc
import Journal
import Messages
import Store

extension Router {
    /// Opens the store that the settings name, and says in the log what it found.
    ///
    /// - Parameter leaving: from so many sessions of clients that are away on they are loaded when somebody needs them.
    ///
    /// Fatal: a store of a newer version, and a folder that can not be written. Starting again would not help, so the
    /// exit status says not to.
    static func openStore(_ settings: RouterSettings, leaving: Int = 1000) throws -> Store {
        let mode: StoreMode =
            switch settings.durability {
            case .commit: .commit
            case .periodic: .periodic
            case .none: .none
            }
        let store: Store
        do {
            store = try Store.open(
                folder: settings.stateDirectory, mode: mode, maximumBytes: settings.storeBytes,
                minimumFree: settings.minimumFree, leaving: leaving)
        } catch {
            Journal.log(.workerFailed, [.worker: "router", .reason: "\(error)"])
            Journal.flush()
            exit(EX_CONFIG)
        }
        for notice in store.notices { report(notice) }
        return store
    }

    private static func report(_ notice: StoreNotice) {
        switch notice {
        case .created(let path): Journal.log(.storeOpened, [.reason: "\(path) is new"])
        case .migrated(let from, let to):
            Journal.log(.storeOpened, [.reason: "its layout \(from) was changed to \(to)"])
        case .setAside(_, let to, let why, let found):
            Journal.log(
                .storeSetAside,
                [
                    .reason: why, .file: to,
                    .count: "\(found.sessions) sessions, \(found.subscriptions) subscriptions, \(found.entries) queued "
                        + "and \(found.retained) retained messages; \(found.discarded) rows were unusable",
                ])
        }
    }
}

import Messages
import Testing

@testable import Supervisor

@Suite struct RoleTableTests {
    @Test func everyRoleHasOneRow() {
        #expect(roleTable.map(\.role).sorted { $0.rawValue < $1.rawValue } == Role.allCases)
    }

    @Test func everyPairOfPeersStandsAtBothEnds() {
        for entry in roleTable {
            for peer in entry.peers {
                #expect(peer.entry.peers.contains(entry.role), "\(entry.role) talks to \(peer)")
            }
        }
    }

    @Test func executablesAreNamedAfterTheirRoles() {
        for entry in roleTable { #expect(entry.executable == "apus-\(entry.role.name)") }
    }

    @Test func theRouterStopsLast() {
        #expect(roleTable.first?.role == .router)
    }
}

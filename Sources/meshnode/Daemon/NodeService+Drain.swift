internal import MeshCore
internal import MeshRuntime

// Nodes that give away what they have.

extension NodeService {
    private static let leavePatience = Duration.seconds(60)

    func drain(_ node: String, _ wish: DrainWish) async throws -> DrainView {
        try self.requireReady()
        return try await self.runtime.drain(try await self.member(node).description.id, wish)
    }

    /// Gives away what is here before it goes, so that the others have a quorum without it.
    func leave(within patience: Duration?, isForced: Bool) async throws {
        if !isForced, self.state.phase == .ready {
            self.state.isGoing = true
            do { try await self.runtime.giveAway(within: patience ?? Self.leavePatience) } catch {
                self.state.isGoing = false
                throw error
            }
        }
        self.state.askToLeave(because: "it was asked to over its API")
    }
}

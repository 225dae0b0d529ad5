internal import MeshCore
internal import Synchronization

// The wishes of operators, which only the leader of the meta group can grant.
extension MetaService {
    /// More than a few at a time are a mistake of whoever asks.
    private static let wishesMax = 256

    /// `answer` is called once, unless this node stops.
    func drain(_ node: NodeID, _ wish: DrainWish, answer: @escaping @Sendable (DrainAnswer) -> Void) {
        guard self.state.withLock({ $0.isLeading }), self.metaState?.isFounded == true else {
            return answer(.elsewhere(self.state.withLock { $0.leader.flatMap { $0 == self.local ? nil : $0 } }))
        }
        let command: MetaCommand
        switch wish {
        case .look: return answer(self.progress(of: node))
        case .begin(let reason): command = .drain(node, reason: reason)
        case .cancel: command = .cancelDrain(node)
        }
        do throws(MeshError) { try command.validate() } catch { return answer(.refused(error)) }
        self.propose(command) { outcome in
            switch outcome {
            case .refused(let error)?: answer(.refused(error))
            case nil: answer(.elsewhere(nil))
            // After the turn that this is told in: until then nobody may look at the shard.
            default: self.executor.execute { answer(self.progress(of: node)) }
            }
        }
    }

    private func progress(of node: NodeID) -> DrainAnswer {
        guard let meta = self.metaState, let voters = self.driver.withLock({ $0 })?.inspect(Self.voters) else {
            return .elsewhere(nil)
        }
        let now = self.clock().now
        guard let progress = self.state.withLock({ $0.keeper.progress(of: node, meta, voters: voters, at: now) }) else {
            return .refused(
                MeshError(
                    .notFound, "\(node.short) is not admitted to the mesh's partitions",
                    hint: "wait a moment after it joins")
            )
        }
        return .progress(progress)
    }

    /// Nil: nobody here knows whether it happened.
    private func propose(_ command: MetaCommand, done: @escaping @Sendable (MetaOutcome?) -> Void) {
        let number = self.state.withLock { state -> UInt64? in
            guard state.wishes.count < Self.wishesMax else { return nil }
            state.lastNumber += 1
            state.wishes[state.lastNumber] = done
            return state.lastNumber
        }
        guard let number else {
            return done(.refused(MeshError(.overloaded, "too many wishes at a time", retryAfter: .seconds(1))))
        }
        let entry = MetaEntry(at: self.clock().wall, [command])
        guard let driver = self.driver.withLock({ $0 }),
            case .taken = driver.submit(.request(FirstGroups.meta, .command(number, entry.encoded())))
        else { return self.granted(number, nil) }
    }

    /// A wish came to its end, if the number is that of one.
    func granted(_ number: UInt64, _ outcome: MetaOutcome?) {
        self.state.withLock { $0.wishes.removeValue(forKey: number) }?(outcome)
    }
}

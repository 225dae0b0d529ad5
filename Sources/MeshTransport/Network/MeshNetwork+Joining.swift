internal import Logging
internal import MeshCore
internal import NIOCore

extension MeshNetwork {
    private static let retryMin = 0.5
    private static let retryMax = 30.0
    /// From an open stream to being known to each other.
    private static let welcomeTimeout = Duration.seconds(5)

    /// Tries the seeds, every address of each, until one has told who is in the mesh or a member came by itself; waits
    /// longer after each round, for as long as it takes. Throws when a seed answers that it wants nothing of this node,
    /// which no retry mends, and when the task is cancelled.
    package func join(seeds: [HostAndPort]) async throws {
        var wait = Self.retryMin
        while true {
            try Task.checkCancellation()
            let (refusal, failures) = try await self.tryOnce(seeds)
            guard let failures else { return }
            if let refusal { throw refusal }
            // Jitter, so that nodes started together do not knock together.
            let pause = wait * Double.random(in: 0.75...1.25)
            self.logger.warning(
                "no seed answered, trying again",
                metadata: [
                    "seeds": "\(failures.joined(separator: "; "))", "next_try_s": "\((pause * 10).rounded() / 10)",
                ])
            if try await self.isJoined(within: .seconds(pause)) { return }
            wait = min(wait * 2, Self.retryMax)
        }
    }

    /// Somebody else may knock here first: of nodes that all wait for each other, one has to be let in.
    private func isJoined(within pause: Duration) async throws -> Bool {
        let deadline = Instant.now() + pause
        while Instant.now() < deadline {
            if await self.isJoined() { return true }
            try await Task.sleep(for: .milliseconds(50))
        }
        return false
    }

    /// `failures` is nil when this node is in.
    private func tryOnce(_ seeds: [HostAndPort]) async throws -> (refusal: TransportError?, failures: [String]?) {
        var failures: [String] = []
        var refusal: TransportError?
        for seed in seeds {
            switch try await self.knock(at: seed) {
            case .met: return (nil, nil)
            case .missed(let reasons, let isFinal):
                failures += reasons
                refusal = refusal ?? isFinal
            }
        }
        return (refusal, failures)
    }

    /// Asks for the seeds that are not among the reachable members, again and again, as long as the node runs.
    ///
    /// Members tell each other of members, but of two groups that never met neither can tell of the other: nodes that
    /// were started together and let each other in two by two, or halves that were apart for longer than the dead are
    /// remembered. Whoever names the same seeds ends in one mesh. `onRefusal` hears of a seed that wants nothing of
    /// this node and is not asked again.
    package func stayAcquainted(with seeds: [HostAndPort], onRefusal: (TransportError) -> Void) async throws {
        var seeds = seeds
        var found: [HostAndPort: NodeID] = [:]
        var pause = self.configuration.membership.probeInterval
        while !seeds.isEmpty {
            try await Task.sleep(for: pause * Double.random(in: 0.75...1.25))
            pause = min(pause * 2, self.configuration.membership.pushPullInterval)
            for seed in seeds where found[seed].flatMap(self.directory.reachable) == nil {
                guard try await !self.isMember(at: seed) else { continue }
                switch try await self.knock(at: seed) {
                case .met(let id):
                    found[seed] = id
                    self.logger.info("met a seed", metadata: ["seed": "\(seed)", "id": "\(id.short)"])
                case .missed(_, let refusal?):
                    seeds.removeAll { $0 == seed }
                    onRefusal(refusal)
                case .missed(let reasons, nil):
                    self.logger.debug("a seed is away", metadata: ["why": "\(reasons.joined(separator: "; "))"])
                }
            }
        }
    }

    private func isMember(at seed: HostAndPort) async throws -> Bool {
        let endpoints = try? await Resolver.resolve(seed)
        try Task.checkCancellation()
        return endpoints?.contains(where: self.directory.isReachable) ?? false
    }

    private enum Knock {
        case met(NodeID)
        /// What each address said; `refusal` if one of them wants nothing of this node, which no retry mends.
        case missed([String], refusal: TransportError?)
    }

    private func knock(at seed: HostAndPort) async throws -> Knock {
        let endpoints: [Endpoint]
        do { endpoints = try await Resolver.resolve(seed) } catch {
            return .missed([error.description], refusal: nil)
        }
        var failures: [String] = []
        var refusal: TransportError?
        for endpoint in endpoints {
            do { return .met(try await self.enter(through: endpoint)) } catch let failure as DialFailure {
                failures.append("\(seed)\(endpoints.count > 1 ? " at \(endpoint.address)" : ""): \(failure.text)")
                if case .refused(let reason) = failure, reason.isFinal {
                    refusal = refusal ?? TransportError(.refusedBySeed, "seed \(seed) \(failure.text)")
                }
            }
        }
        return .missed(failures, refusal: refusal)
    }

    /// Who answered there, once each knows the other.
    private func enter(through endpoint: Endpoint) async throws -> NodeID {
        guard let loop = self.running?.streamLoop else { throw DialFailure.ended }
        let promise = loop.makePromise(of: NodeID.self)
        let isRunning = self.onStreams { streams in
            streams.connect(to: endpoint) { promise.completeWith($0.mapError { $0 as any Error }) }
        }
        if !isRunning { promise.fail(DialFailure.ended) }
        let seed = try await promise.futureResult.get()
        self.step(.exchange(seed))
        let deadline = Instant.now() + Self.welcomeTimeout
        while self.directory.reachable(seed) == nil {
            guard Instant.now() < deadline else { throw DialFailure.unreachable("it tells nothing of the mesh") }
            try await Task.sleep(for: .milliseconds(10))
        }
        return seed
    }
}

extension DialFailure {
    var text: String {
        switch self {
        case .connectionRefused: "nothing listens there"
        case .unreachable(let reason): reason
        case .ended: "it closed the connection while shaking hands"
        case .refused(let reason):
            switch reason {
            case .unknownKey:
                "knows no key of this token: it is of another mesh, or its keys were rotated out; print it anew on a "
                    + "member with 'meshnode token'"
            case .wrongMesh: "belongs to another mesh than this token"
            case .unsupportedVersion:
                "speaks another version of the protocol than this node, which speaks \(ProtocolVersion.current): all nodes of a "
                    + "mesh need a meshnode of the same protocol; 'meshnode members' shows theirs"
            case .notAdmitted: "does not admit this node"
            case .busy: "is busy"
            case .isSelf: "is this node itself"
            case .staleBoot: "knows a later start of this node: its data folder is an older copy of itself"
            case .duplicate: "is connecting to this node already"
            case .timedOut: "did not finish the handshake in time"
            default: "broke off the handshake (\(reason.rawValue))"
            }
        }
    }
}

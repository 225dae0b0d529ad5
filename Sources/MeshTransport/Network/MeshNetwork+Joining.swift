internal import Logging
internal import MeshCore
internal import NIOCore

extension MeshNetwork {
    private static let retryMin = 0.5
    private static let retryMax = 30.0
    /// From an open stream to being known to each other.
    private static let welcomeTimeout = Duration.seconds(5)

    /// Tries the seeds, every address of each, until one has told who is in the mesh; waits longer after each round,
    /// for as long as it takes. Throws when a seed answers that it wants nothing of this node, which no retry mends,
    /// and when the task is cancelled.
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
            try await Task.sleep(for: .seconds(pause))
            wait = min(wait * 2, Self.retryMax)
        }
    }

    /// `failures` is nil when this node is in.
    private func tryOnce(_ seeds: [HostAndPort]) async throws -> (refusal: TransportError?, failures: [String]?) {
        var failures: [String] = []
        var refusal: TransportError?
        for seed in seeds {
            let endpoints: [Endpoint]
            do { endpoints = try await Resolver.resolve(seed) } catch {
                failures.append(error.description)
                continue
            }
            for endpoint in endpoints {
                do {
                    try await self.enter(through: endpoint)
                    return (nil, nil)
                } catch let failure as DialFailure {
                    failures.append("\(seed)\(endpoints.count > 1 ? " at \(endpoint.address)" : ""): \(failure.text)")
                    if case .refused(let reason) = failure, reason.isFinal {
                        refusal = refusal ?? TransportError(.refusedBySeed, "seed \(seed) \(failure.text)")
                    }
                }
            }
        }
        return (refusal, failures)
    }

    private func enter(through endpoint: Endpoint) async throws {
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
            case .unknownKey: "does not know the key of this token: the token is of another mesh, or was rotated out"
            case .wrongMesh: "belongs to another mesh than this token"
            case .unsupportedVersion: "speaks another protocol version"
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

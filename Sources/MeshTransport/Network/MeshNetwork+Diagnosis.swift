package import MeshCore
internal import NIOCore
internal import NIOPosix

/// What was found out about the way to one member and back.
package struct PathReport: Sendable {
    package struct Dial: Sendable {
        package var outcome: DialOutcome
        /// Where the member took this node to be.
        package var endpoint: Endpoint

        package init(outcome: DialOutcome, endpoint: Endpoint) {
            self.outcome = outcome
            self.endpoint = endpoint
        }
    }

    /// Over the stream, the best of several; nil: the member did not answer, and nothing else is known.
    package var roundTrip: Duration?
    /// Its wall clock less this node's; wrong by at most half the round trip.
    package var clockAhead: Duration?
    /// Which of this node's probes reached it; nil if it did not say, or none could be sent.
    package var arrivedThere: DatagramSizes?
    package var arrivedHere: DatagramSizes = []
    /// Whether it could open a connection to this node; nil if it did not say.
    package var dial: Dial?

    package init() {}
}

/// What is at the moment, for metrics.
package struct NetworkReading: Sendable {
    package var probes = ProbeTally()
    package var rumors = 0
    package var streams = 0
    package var streamWaitingBytes = 0
}

extension MeshNetwork {
    package func reading() async -> NetworkReading {
        var reading = NetworkReading()
        if let (probes, rumors) = await self.askGossip({ ($0.membership.probeTally, $0.membership.rumorCount) }) {
            (reading.probes, reading.rumors) = (probes, rumors)
        }
        reading.streams = await self.askStreams { $0.openCount } ?? 0
        reading.streamWaitingBytes = self.outboxes.waitingBytes
        return reading
    }

    private static let clockSamples = 4
    private static let answerTimeout = TimeAmount.seconds(3)
    /// Of the other side's connection.
    private static let dialTimeout = TimeAmount.seconds(3)

    /// Asks a member for the time, sends datagrams of both sizes each way, and lets it connect to this node.
    package func examine(_ node: NodeID) async -> PathReport {
        var report = PathReport()
        for _ in 0..<Self.clockSamples {
            guard let answer = await self.ask(.whatTime, of: node), case .time(let time) = answer.frame else { break }
            guard answer.roundTrip < report.roundTrip ?? .seconds(3600) else { continue }
            report.roundTrip = answer.roundTrip
            // By the middle of the round trip: which way took longer nobody can tell.
            let ahead = Int64(clamping: time) - Int64(clamping: answer.wallClock)
            report.clockAhead = .nanoseconds(ahead) + answer.roundTrip / 2
        }
        guard report.roundTrip != nil, let endpoint = self.directory.endpoint(of: node) else { return report }
        async let dialled = self.ask(.dial, of: node, within: Self.answerTimeout + Self.dialTimeout)
        let number = randomUInt64()
        // Without a round of its own nothing is sent, and what did not arrive would tell nothing.
        if await self.askGossip({ $0.diagnosis.beginRound(number, with: endpoint) }) == true {
            let answer = await self.ask(.probe(number: number), of: node, within: Self.answerTimeout + Diagnosis.lateBy)
            if case .probed(let sizes) = answer?.frame { report.arrivedThere = sizes }
            report.arrivedHere = await self.askGossip { $0.diagnosis.seen(in: number) } ?? []
            if report.arrivedHere != .all {
                try? await Task.sleep(for: .nanoseconds(Diagnosis.lateBy.nanoseconds))
                report.arrivedHere = await self.askGossip { $0.diagnosis.seen(in: number) } ?? []
            }
        }
        if case .dialled(let outcome, let endpoint) = await dialled?.frame {
            report.dial = PathReport.Dial(outcome: outcome, endpoint: endpoint)
        }
        return report
    }

    /// The members that this node keeps streams to, and whether those are open.
    package func neighbours() async -> [(node: NodeID, isOpen: Bool)] {
        await self.askStreams { $0.neighbours } ?? []
    }

    private func ask(
        _ question: DiagnosisFrame, of node: NodeID, within timeout: TimeAmount = MeshNetwork.answerTimeout
    ) async -> Diagnosis.Answer? {
        await withCheckedContinuation { continuation in
            let isRunning = self.onGossip { gossip in
                gossip.diagnosis.ask(question, of: node, within: timeout) { continuation.resume(returning: $0) }
            }
            if !isRunning { continuation.resume(returning: nil) }
        }
    }

    func makeDiagnosis(on loop: any EventLoop, streamLoop: any EventLoop) -> Diagnosis {
        Diagnosis(
            loop: loop,
            outlet: Diagnosis.Outlet(
                frame: { node, frame in _ = self.send([frame], to: node) },
                dial: { endpoint, done in self.dial(endpoint, on: streamLoop, done) },
                endpoint: { self.directory.reachable($0) }))
    }

    /// Connects and hangs up: whether somebody listens there is all that is asked.
    private func dial(_ endpoint: Endpoint, on loop: any EventLoop, _ done: @escaping @Sendable (DialOutcome) -> Void) {
        guard let address = endpoint.socketAddress() else { return done(.unreachable) }
        ClientBootstrap(group: loop).connectTimeout(Self.dialTimeout).connect(to: address).whenComplete { result in
            switch result {
            case .success(let channel):
                channel.close(promise: nil)
                done(.reached)
            case .failure(let error):
                done((error as? IOError)?.errnoCode == ECONNREFUSED ? .refused : .unreachable)
            }
        }
    }
}

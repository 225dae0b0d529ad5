internal import MeshCore
internal import MeshRuntime
internal import MeshTransport

/// What the reports of the paths to other members mean: a value, so that every case can be tested without a network.
struct PeerChecks {
    struct Peer: Sendable {
        var name: String
        var endpoint: Endpoint
        var version: String
        var report: PathReport
    }

    /// Clocks matter for what expires and for reading logs side by side.
    private static let skewMax = Duration.milliseconds(500)
    private static let skewProblem = Duration.seconds(10)

    let own: (name: String, endpoint: Endpoint, version: String)
    let peers: [Peer]

    func findings() -> [Finding] {
        guard !self.peers.isEmpty else { return [Finding(.fine, "members", self.own.name, "no other member to ask")] }
        return self.answers() + self.datagrams() + self.sizes() + self.dials() + self.clocks() + self.versions()
    }

    private var answering: [Peer] { self.peers.filter { $0.report.roundTrip != nil } }

    private func place(_ peer: Peer) -> String { "\(peer.name) at \(peer.endpoint)" }

    private func answers() -> [Finding] {
        let silent = self.peers.filter { $0.report.roundTrip == nil }
        let findings = silent.map {
            Finding(
                .problem, "members", self.place($0), "does not answer over a stream",
                mend: "allow TCP port \($0.endpoint.port) to it, and look whether it is overloaded: "
                    + "meshnode status --why \($0.name)")
        }
        guard silent.isEmpty else { return findings }
        let slowest = self.answering.compactMap(\.report.roundTrip).max().map { $0.inSeconds * 1000 }
        return [
            Finding(
                .fine, "members", self.own.name,
                "\(self.peers.count) answer over their streams, the slowest within \(Human.milliseconds(slowest))")
        ]
    }

    // MARK: UDP

    private func datagrams() -> [Finding] {
        let findings = self.answering.compactMap { peer -> Finding? in
            let (here, there) = (peer.report.arrivedHere, peer.report.arrivedThere)
            // Without its word only what came here is known.
            guard let there else {
                return Finding(
                    .warning, "udp", self.place(peer), "did not say which datagrams reached it", mend: "ask again")
            }
            let (own, its) = (self.own.endpoint.port, peer.endpoint.port)
            switch (there.contains(.small), here.contains(.small)) {
            case (true, true): return nil
            case (false, false):
                return Finding(
                    .problem, "udp", self.place(peer), "UDP is blocked both ways, while the stream (TCP) works",
                    mend:
                        "allow UDP port \(its) on \(peer.name) and UDP port \(own) on \(self.own.name), in the firewalls of "
                        + "both and between them")
            case (false, true):
                return Finding(
                    .problem, "udp", self.place(peer),
                    "UDP from here does not reach it, while its own reaches this node and the stream (TCP) works",
                    mend: "allow UDP port \(its) on \(peer.name) from \(self.own.endpoint.address)")
            case (true, false):
                return Finding(
                    .problem, "udp", self.place(peer),
                    "UDP from it does not reach this node, while its stream (TCP) works",
                    mend: "allow UDP port \(own) on \(self.own.name) from \(peer.endpoint.address)")
            }
        }
        guard findings.isEmpty, !self.answering.isEmpty else { return findings }
        return [Finding(.fine, "udp", self.own.name, "passes both ways to \(self.answering.count) members")]
    }

    private func sizes() -> [Finding] {
        let bytes = DatagramSizes.full.sealedBytes
        let passing = self.answering.filter {
            $0.report.arrivedHere.contains(.small) && $0.report.arrivedThere?.contains(.small) == true
        }
        let findings = passing.compactMap { peer -> Finding? in
            let isLostThere = peer.report.arrivedThere?.contains(.full) != true
            let isLostHere = !peer.report.arrivedHere.contains(.full)
            guard isLostThere || isLostHere else { return nil }
            let way = isLostThere && isLostHere ? "either way" : isLostThere ? "from here to it" : "from it to here"
            return Finding(
                .problem, "mtu", self.place(peer),
                "datagrams of \(bytes) bytes do not pass whole \(way), and small ones do: the path MTU is below \(bytes + 28)",
                mend: "raise the MTU of the tunnel or VPN between them to \(bytes + 48) or more")
        }
        guard findings.isEmpty, !passing.isEmpty else { return findings }
        return [
            Finding(
                .fine, "mtu", self.own.name, "\(bytes) bytes pass unfragmented both ways to \(passing.count) members")
        ]
    }

    // MARK: TCP

    private func dials() -> [Finding] {
        var reached = 0
        var findings: [Finding] = []
        for peer in self.answering {
            guard let dial = peer.report.dial else { continue }
            switch dial.outcome {
            case .reached: reached += 1
            case .refused:
                findings.append(
                    Finding(
                        .problem, "ports", "\(dial.endpoint)",
                        "\(peer.name) is refused there: nothing listens, or a firewall rejects it",
                        mend: "check --advertise, and what \(dial.endpoint) leads to from \(peer.name)"))
            case .unreachable:
                findings.append(
                    Finding(
                        .problem, "ports", "\(dial.endpoint)",
                        "\(peer.name) cannot open a connection to this node there",
                        mend:
                            "allow TCP port \(dial.endpoint.port) here from \(peer.endpoint.address); behind NAT, say with "
                            + "--advertise where others reach this node"))
            }
        }
        guard findings.isEmpty, reached > 0 else { return findings }
        return [
            Finding(.fine, "ports", "\(self.own.endpoint)", "\(reached) members can open a connection to this node")
        ]
    }

    // MARK: clocks and versions

    private func clocks() -> [Finding] {
        let ahead = self.answering.compactMap { peer in peer.report.clockAhead.map { (peer, $0) } }
        guard !ahead.isEmpty else { return [] }
        let sorted = ahead.map(\.1).sorted()
        let median = sorted[sorted.count / 2]
        // Where most others disagree with this node, they are not all wrong.
        let isOwn = ahead.count > 1 && median.magnitude >= Self.skewMax
        if isOwn {
            return [
                Finding(
                    self.severity(median), "clock", self.own.name,
                    "this clock is \(self.text(median)) \(median > .zero ? "behind" : "ahead of") those of most members",
                    mend: "synchronise it with chrony or systemd-timesyncd")
            ]
        }
        let findings = ahead.filter { $0.1.magnitude >= Self.skewMax }.map { peer, ahead in
            Finding(
                self.severity(ahead), "clock", self.place(peer),
                "its clock is \(self.text(ahead)) \(ahead > .zero ? "ahead of" : "behind") this one",
                mend: "synchronise both with chrony or systemd-timesyncd")
        }
        guard findings.isEmpty else { return findings }
        let worst = sorted.map(\.magnitude).max() ?? .zero
        return [
            Finding(.fine, "clock", self.own.name, "at most \(self.text(worst)) from those of \(ahead.count) members")
        ]
    }

    private func severity(_ skew: Duration) -> DoctorView.Severity {
        skew.magnitude >= Self.skewProblem ? .problem : .warning
    }

    private func text(_ skew: Duration) -> String { Human.milliseconds(skew.magnitude.inSeconds * 1000) }

    private func versions() -> [Finding] {
        let others = Dictionary(grouping: self.peers.filter { $0.version != self.own.version }, by: \.version)
        guard !others.isEmpty else {
            return [Finding(.fine, "versions", self.own.name, "all members run \(self.own.version)")]
        }
        return others.sorted { $0.key < $1.key }.map { version, peers in
            let names = peers.map(\.name).sorted()
            return Finding(
                .warning, "versions", names.prefix(5).joined(separator: ", ") + (names.count > 5 ? ", …" : ""),
                "\(peers.count == 1 ? "runs" : "run") \(version), and this node \(self.own.version)",
                mend: "finish the upgrade; a mesh of two versions is meant to last hours")
        }
    }
}

extension Duration {
    var magnitude: Duration { self < .zero ? .zero - self : self }
}

internal import MeshCore
internal import MeshRuntime

extension MemberState {
    var name: String {
        switch self {
        case .alive: "alive"
        case .suspect: "suspect"
        case .dead: "dead"
        case .left: "left"
        }
    }
}

extension MemberChange.Cause {
    /// For people and for `--why`; stable.
    var name: String {
        switch self {
        case .joined: "joined"
        case .refuted: "refuted"
        case .probeFailed: "probe-failed"
        case .hardEvidence: "hard-evidence"
        case .suspicionExpired: "suspicion-expired"
        case .left: "left"
        case .updated: "updated"
        case .merged: "merged"
        case .streamOnly: "stream-only"
        case .datagramsAgain: "datagrams-again"
        }
    }
}

extension MemberView {
    init(_ member: Member, at now: Instant) {
        let described = member.description
        let fields = Dictionary(member.capabilities.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
        let capabilities = fields.filter { !$0.key.hasPrefix(AdvertisedField.prefix) }
        self.init(
            id: described.id.description, name: described.name, address: described.endpoint.description,
            state: member.state.name, since_s: max(0, (now - member.since).inSeconds).rounded(toPlaces: 3),
            incarnation: member.incarnation, boot_epoch: described.boot.epoch,
            rtt_ms: member.roundTrip.map { ($0.inSeconds * 1000).rounded(toPlaces: 3) },
            path: member.isStreamOnly ? "stream" : "udp", zone: described.zone,
            version: described.version,
            tags: Dictionary(described.tags.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 }),
            capabilities: capabilities, hardware: HardwareView(capabilities),
            actors: member.count(fields[AdvertisedField.actors]),
            mailbox_depth: member.count(fields[AdvertisedField.mailboxDepth]))
    }
}

extension Member {
    /// Who lives and does not say how many has none; of the others it is not known.
    fileprivate func count(_ field: String?) -> Int? {
        switch self.state {
        case .alive, .suspect: field.map { Int($0) } ?? 0
        case .dead, .left: nil
        }
    }
}

extension CapabilitiesView {
    init(_ member: MemberView) {
        self.init(
            id: member.id, name: member.name, state: member.state, capabilities: member.capabilities,
            hardware: member.hardware)
    }
}

extension WhyView.Change {
    init(_ change: MemberChange, at now: Instant, name: (NodeID) -> String) {
        self.init(
            seconds_ago: max(0, (now - change.at).inSeconds).rounded(toPlaces: 3), from: change.from?.name,
            to: change.to.name, cause: change.cause.name, incarnation: change.incarnation,
            boot_epoch: change.boot.epoch, accuser: change.accuser.map(name),
            confirmations: change.confirmations.map(name), local_health: Int(change.localHealth),
            round_trips_ms: change.roundTrips.map { ($0.inSeconds * 1000).rounded(toPlaces: 3) })
    }
}

extension Double {
    fileprivate func rounded(toPlaces places: Int) -> Double {
        let scale = (0..<places).reduce(1.0) { value, _ in value * 10 }
        return (self * scale).rounded() / scale
    }
}

internal import MeshCore

// Orders of leaders, and what becomes of them.
extension Residences {
    private static let stateBytesMax = 32 << 20

    mutating func arrived(_ entries: [StorageEntry], of id: ActivationID, _ key: Key) {
        guard var residence = self.residences[key], residence.isUp else { return }
        var arriving = residence.arriving.take() ?? (id, [], 0)
        if arriving.of != id { arriving = (id, [], 0) }
        arriving.bytes += entries.reduce(0) { $0 + $1.key.count + $1.value.count }
        // What is too much is let go; its order is answered with `missing`.
        if arriving.bytes <= Self.stateBytesMax {
            arriving.entries += entries
            residence.arriving = arriving
        }
        self.residences[key] = residence
    }

    mutating func run(
        _ order: TurnOrder, _ keys: Int?, _ key: Key, from lead: NodeID, into effects: inout [Effect]
    ) {
        let id = order.activation
        guard var residence = self.residences[key], residence.isUp,
            residence.activation == nil || residence.activation == id
        else {
            let report = TurnReport(id, number: order.number, .notBegun)
            return effects.append(.tell(.report(report), key.group, to: lead))
        }
        guard id.term >= residence.term else { return }
        residence.lead = lead
        residence.term = id.term
        residence.activation = id
        var order = order
        if let keys, order.state == nil {
            let arrived = residence.arriving.take()
            let entries = arrived?.of == id ? arrived?.entries ?? [] : []
            if entries.count == keys { order.state = entries }
        }
        self.residences[key] = residence
        guard order.state != nil || residence.stateOf == id else {
            return effects.append(.tell(.missing(id, order: order.number), key.group, to: lead))
        }
        if self.isKnown(order, key, into: &effects) { return }
        self.residences[key]?.arriving = nil
        guard residence.phase == .idle else {
            self.residences[key]?.next = order
            return
        }
        self.begin(order, key, into: &effects)
    }

    /// The order came twice; or it asks, for a new leader, for the turn that the program is at or has just done. No leader
    /// orders a turn of a mobile actor before the ones before it are applied, so the same message on the same version of the
    /// actor is the same turn.
    private mutating func isKnown(_ order: TurnOrder, _ key: Key, into effects: inout [Effect]) -> Bool {
        guard let residence = self.residences[key] else { return false }
        let isFirst = order.state != nil
        if var running = residence.order, running.isSame(as: order) || isFirst && running.isSameTurn(as: order) {
            (running.activation, running.number) = (order.activation, order.number)
            self.residences[key]?.order = running
            self.residences[key]?.stateOf = order.activation
            self.residences[key]?.next = nil
            effects.append(.tell(.renewed(order.activation), key.group, to: residence.lead))
            return true
        }
        if var (last, report) = residence.reported, residence.phase == .idle,
            last.isSame(as: order) || isFirst && last.isSameTurn(as: order) && report.isFinished
        {
            (last.activation, last.number) = (order.activation, order.number)
            report = TurnReport(order.activation, number: order.number, report.end)
            self.residences[key]?.reported = (last, report)
            self.residences[key]?.stateOf = order.activation
            effects.append(.tell(.report(report), key.group, to: residence.lead))
            return true
        }
        return false
    }

    private mutating func begin(_ order: TurnOrder, _ key: Key, into effects: inout [Effect]) {
        guard var residence = self.residences[key] else { return }
        var order = order
        if let entries = order.state.take() { residence.state = ActorState(entries: entries) }
        residence.stateOf = order.activation
        residence.phase = .running
        residence.order = order
        residence.next = nil
        residence.reported = nil
        self.residences[key] = residence
        effects.append(.turn(key, order, residence.state))
    }

    func check(
        _ id: ActivationID, _ number: UInt64, _ key: Key, from lead: NodeID, into effects: inout [Effect]
    ) {
        func tell(_ frame: HostFrame) { effects.append(.tell(frame, key.group, to: lead)) }
        guard let residence = self.residences[key], residence.isUp,
            residence.activation == id || residence.activation == nil
        else { return tell(.disowned(id)) }
        if let (order, report) = residence.reported, order.activation == id, order.number == number {
            return tell(.report(report))
        }
        for order in [residence.order, residence.next] where order?.activation == id && order?.number == number {
            return tell(.renewed(id))
        }
        tell(.missing(id, order: number))
    }

    mutating func finished(
        _ end: TurnEnd, _ state: ActorState, _ key: Key, at now: Instant, into effects: inout [Effect]
    ) {
        guard var residence = self.residences[key], let order = residence.order else { return }
        residence.order = nil
        residence.idleSince = now
        if residence.phase == .running { residence.phase = .idle }
        residence.state = state
        let next = residence.next.take()
        self.residences[key] = residence
        // Nobody waits for it: it was released, or its place is a new leader's.
        guard residence.phase == .idle else { return }
        if let next {
            guard end.isLast else { return self.begin(next, key, into: &effects) }
            let report = TurnReport(next.activation, number: next.number, .notBegun)
            effects.append(.tell(.report(report), key.group, to: residence.lead))
            return self.end(key, into: &effects)
        }
        var report = TurnReport(order.activation, number: order.number, .notBegun)
        switch end {
        case .report(let end): report.end = end
        // It was up and took nothing: the next start waits, as after one that failed.
        case .gone: self.failed(key, because: Self.endedEarly, at: now, into: &effects)
        }
        self.residences[key]?.reported = (order, report)
        effects.append(.tell(.report(report), key.group, to: residence.lead))
        // Whoever cannot be trusted with another message takes none.
        if end.isLast { return self.end(key, into: &effects) }
        self.residences[key]?.turns += 1
        if self.isClosed || self.owesRoom(key, at: now) { self.end(key, into: &effects) }
    }
}

extension Residences.TurnEnd {
    var isLast: Bool {
        switch self {
        case .report(.failed(let failure, _)): [.crashed, .timeout, .hostLost].contains(failure)
        case .report: false
        case .gone: true
        }
    }
}

extension TurnOrder {
    fileprivate func isSame(as other: TurnOrder) -> Bool {
        self.activation == other.activation && self.number == other.number
    }

    fileprivate func isSameTurn(as other: TurnOrder) -> Bool {
        self.envelope.message.id == other.envelope.message.id && self.version == other.version
            && self.isEphemeral == other.isEphemeral
    }
}

extension TurnReport {
    fileprivate var isFinished: Bool { if case .finished = self.end { true } else { false } }
}

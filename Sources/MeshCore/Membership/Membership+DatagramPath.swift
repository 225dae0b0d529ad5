/// What probes have shown of the way of datagrams to one member and back.
struct DatagramPath: Sendable {
    /// So many in a row are no accident: a packet is lost now and then on any path.
    static let missesMin = 4

    /// Probes in a row that the member answered by every way but its own datagrams.
    var misses = 0
    /// Its stream has answered since the first of them.
    var streamAnswered = false

    var isBlocked: Bool { self.misses >= Self.missesMin && self.streamAnswered }
}

// A member that lives, and yet never answers a ping itself, sits behind something that drops datagrams. Others may hide
// it by pinging in this node's place, so it is judged from direct answers alone.
extension Membership {
    mutating func missedDatagrams(_ probe: Probe, at now: Instant, into effects: inout Effects) {
        let target = probe.target
        guard self.table[target].isLive, self.table[target].boot.epoch == probe.epoch else { return }
        self.details[target, default: MemberDetails()].path.misses += 1
        if probe.answeredByStream { self.details[target]?.path.streamAnswered = true }
        self.judgePath(to: target, at: now, into: &effects)
    }

    /// Others were quicker than the stream.
    mutating func streamAnsweredLate(_ index: Int, at now: Instant, into effects: inout Effects) {
        guard self.details[index]?.path.misses ?? 0 > 0 else { return }
        self.details[index]?.path.streamAnswered = true
        self.judgePath(to: index, at: now, into: &effects)
    }

    private mutating func judgePath(to index: Int, at now: Instant, into effects: inout Effects) {
        guard self.details[index]?.path.isBlocked == true, self.table[index].isLive,
            !self.table[index].flags.contains(.streamOnly)
        else { return }
        self.table[index].flags.insert(.streamOnly)
        self.record(index, from: self.table[index].state, cause: .streamOnly, at: now, into: &effects)
    }

    /// Another process, or another place: nothing is known of the way there.
    mutating func forgetPath(to index: Int) {
        self.table[index].flags.remove(.streamOnly)
        self.details[index]?.path = DatagramPath()
    }

    /// It answered a datagram of ours with one of its own.
    mutating func datagramsPassed(_ index: Int, at now: Instant, into effects: inout Effects) {
        self.details[index]?.path = DatagramPath()
        guard self.table[index].flags.contains(.streamOnly) else { return }
        self.table[index].flags.remove(.streamOnly)
        self.record(index, from: self.table[index].state, cause: .datagramsAgain, at: now, into: &effects)
    }
}

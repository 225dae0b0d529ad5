extension Membership {
    /// Tells a few random members, live or dead only recently, what is owed to the mesh.
    mutating func gossip(at now: Instant, into effects: inout Effects) {
        guard !self.rumors.isEmpty, !self.order.isEmpty else { return }
        self.gossipAt = now + self.configuration.gossipInterval
        self.draw(self.configuration.gossipFanOut, besides: 0, orRecentlyDead: true, at: now)
        for target in self.gossipTargets where !self.rumors.isEmpty {
            self.gossip(to: Int(target), into: &effects)
        }
    }

    private mutating func gossip(to target: Int, into effects: inout Effects) {
        let start = effects.bytes.count
        // Where datagrams are lost, so would be the news, and count as told.
        let isStreamOnly = self.table[target].flags.contains(.streamOnly)
        var writer =
            isStreamOnly
            ? self.openFrame(&effects) : self.open(&effects, to: target, epoch: self.table[target].epochHeard)
        let head = writer.count
        self.tell(into: &writer, limit: start + self.configuration.datagramBytesMax)
        let endpoint = self.table[target].endpoint
        if writer.count == head {
            // Every rumor left was an outdated one.
            writer.bytes.removeLast(writer.count - start)
            swap(&writer.bytes, &effects.bytes)
        } else if isStreamOnly {
            self.closeFrame(&writer, from: start, to: self.table[target].id, at: endpoint, into: &effects)
        } else {
            self.close(&writer, from: start, to: endpoint, into: &effects)
        }
    }

    /// Leaves up to `count` different random members in `gossipTargets`.
    mutating func draw(_ count: Int, besides excluded: Int, orRecentlyDead: Bool, at now: Instant) {
        self.gossipTargets.removeAll(keepingCapacity: true)
        let pool = self.order.count + (orRecentlyDead ? self.dead.count : 0)
        guard pool > 0 else { return }
        // In a small mesh luck alone may miss the only candidates: then look at each.
        let isSmall = pool <= 4 * count
        let first = self.random.below(pool)
        for attempt in 0..<(isSmall ? pool : 4 * count + 8) where self.gossipTargets.count < count {
            let place = isSmall ? (first + attempt) % pool : self.random.below(pool)
            let isDead = place >= self.order.count
            let index = isDead ? self.dead[place - self.order.count] : self.order.members[place]
            let record = Int(index)
            let isFit =
                isDead
                ? self.table[record].state == .dead && now - self.table[record].since < self.configuration.gossipToDead
                : orRecentlyDead ? self.table[record].isLive : self.table[record].state == .alive
            if isFit, record != excluded, !self.gossipTargets.contains(index) { self.gossipTargets.append(index) }
        }
    }
}

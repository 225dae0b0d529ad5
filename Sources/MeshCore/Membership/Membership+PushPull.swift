extension Membership {
    /// A frame of a delta is closed when it has grown to this. One member and the events come on top: far below
    /// `PeerFrame.bytesMax`.
    static let deltaBytesMax = 256 << 10
    /// Of one answer.
    static let deltaFramesMax = 64

    /// One membership frame of an open stream, whose handshake proved `sender`.
    package mutating func receive(
        frame: RawSpan, from sender: NodeID, at now: Instant, into effects: inout Effects
    ) {
        guard self.phase != .departed else { return }
        guard sender != self.local.id else { return effects.refuse(.clonedBoot) }
        self.noticeOwnPause(at: now)
        var reader = WireReader(frame)
        do throws(WireError) {
            let version: UInt8 = try reader.read()
            guard self.local.protocols.contains(version) else { throw WireError(.unsupportedVersion, at: 0) }
            var origin = self.origin(of: sender)
            while !reader.isAtEnd { try self.receiveFrameMessage(&reader, &origin, at: now, into: &effects) }
        } catch {
            effects.refuse(error)
        }
        self.settle(at: now, into: &effects)
    }

    private func origin(of sender: NodeID) -> Origin {
        guard let index = self.table.find(sender) else {
            return Origin(
                id: sender, index: nil, epoch: 0,
                endpoint: self.strangers.endpoint(of: sender) ?? Endpoint(high: 0, low: 0, port: 0))
        }
        return Origin(
            id: sender, index: index, epoch: self.table[index].boot.epoch, endpoint: self.table[index].endpoint)
    }

    private mutating func receiveFrameMessage(
        _ reader: inout WireReader, _ origin: inout Origin, at now: Instant, into effects: inout Effects
    ) throws(WireError) {
        let place = reader.offset
        switch try reader.messageKind() {
        case .streamPing: self.answer(streamPing: try reader.read(), origin, into: &effects)
        case .streamPong: self.streamAnswered(try reader.read(), by: origin, at: now, into: &effects)
        case .datagramCount: self.counted(try reader.read(), by: origin)
        case .exchange: try self.exchangeAsked(&reader, &origin, at: now, into: &effects)
        case .delta: try self.receiveDelta(&reader, &origin, at: now, into: &effects)
        case .ping, .ack, .nack, .pingRequest, .epochAnswer, .summary: throw WireError(.unknownKind, at: place)
        case let news: try self.receiveNews(news, &reader, &origin, at: now, into: &effects)
        }
    }

    // MARK: Asking

    /// Who I am, and the digest of all I believe.
    mutating func exchange(with id: NodeID, at now: Instant, into effects: inout Effects) {
        let index = self.table.find(id)
        guard index != 0, let endpoint = index.map({ self.table[$0].endpoint }) ?? self.strangers.endpoint(of: id)
        else { return }
        self.exchange(with: id, at: endpoint, now: now, into: &effects)
    }

    mutating func exchange(with id: NodeID, at endpoint: Endpoint, now: Instant, into effects: inout Effects) {
        guard self.phase == .active else { return }
        let start = effects.bytes.count
        var writer = self.openFrame(&effects)
        writer.write(MessageKind.exchange)
        writer.write(alive: 0, of: self.table)
        writer.write(self.digest)
        writer.write(self.events.summary(since: self.eventsStart(at: now)))
        self.closeFrame(&writer, from: start, to: id, at: endpoint, into: &effects)
    }

    mutating func exchangeWithSomebody(at now: Instant, into effects: inout Effects) {
        self.scheduleExchange(at: now)
        self.draw(1, besides: 0, orRecentlyDead: false, at: now)
        guard let partner = self.gossipTargets.first.map(Int.init) else { return }
        if self.table[partner].flags.contains(.streamOnly) {
            self.exchange(with: self.table[partner].id, at: now, into: &effects)
        } else {
            self.summarize(to: partner, at: now, into: &effects)
        }
    }

    /// Soon after this node met the mesh, then ever more seldom: gossip among nodes that join together misses some of
    /// them. The random part spreads nodes over the interval, however close together they joined.
    mutating func scheduleExchange(at now: Instant) {
        let pause = self.exchangePause
        let interval = self.configuration.pushPullInterval
        self.exchangeAt = now + (pause < interval ? pause + self.random.within(pause) : interval)
        self.exchangePause = min(interval, pause * 2)
    }

    /// Mostly two members believe the same, and one small packet shows it; opening a stream to say so would cost ten.
    private mutating func summarize(to index: Int, at now: Instant, into effects: inout Effects) {
        let start = effects.bytes.count
        var writer = self.open(&effects, to: index, epoch: self.table[index].epochHeard)
        writer.write(self.summary(at: now))
        self.tell(into: &writer, limit: start + self.configuration.datagramBytesMax)
        self.close(&writer, from: start, to: self.table[index].endpoint, into: &effects)
    }

    private func summary(at now: Instant) -> Summary {
        Summary(members: self.digest.summary, events: self.events.summary(since: self.eventsStart(at: now)))
    }

    /// Who finds a difference asks for an exchange, which brings both up to date.
    mutating func compare(_ summary: Summary, from origin: Origin, at now: Instant, into effects: inout Effects) {
        guard origin.index != nil else { return effects.refuse(.unknownSender) }
        if summary != self.summary(at: now) { self.exchange(with: origin.id, at: now, into: &effects) }
    }

    // MARK: Answering

    private mutating func exchangeAsked(
        _ reader: inout WireReader, _ origin: inout Origin, at now: Instant, into effects: inout Effects
    ) throws(WireError) {
        let place = reader.offset
        guard try reader.messageKind() == .alive else { throw WireError(.unknownKind, at: place) }
        let alive = try reader.alive()
        let labels = try reader.span(alive.labelBytes)
        guard alive.id == origin.id else { return effects.refuse(.misdirected) }
        // Compared before the news is merged, so that the asker's own bucket differs and it learns what is held
        // against it.
        let differing = try reader.digestDifference(from: self.digest)
        let hasEvents = try reader.read(UInt64.self) != self.events.summary(since: self.eventsStart(at: now))
        try self.merge(alive, labels: labels, from: origin, at: now, into: &effects)
        origin = self.origin(of: origin.id)
        guard origin.index != nil else { return effects.refuse(.unknownSender) }
        guard self.streams.allowsExchange(of: origin.id, at: now) else { return effects.refuse(.tooOften) }
        self.tellDelta(of: differing, withEvents: hasEvents, to: origin, at: now, into: &effects)
        self.noteJoined(at: now)
    }

    private mutating func noteJoined(at now: Instant) { if self.joinedAt == nil { self.joinedAt = now } }

    /// All that is believed of the members in some buckets, in frames that each name their buckets, so that neither
    /// side keeps any state between frames.
    private mutating func tellDelta(
        of buckets: BucketSet, withEvents hasEvents: Bool, to origin: Origin, at now: Instant,
        into effects: inout Effects
    ) {
        let parts = self.deltaParts(of: buckets)
        for (place, part) in parts.enumerated() {
            // An event of a member that is not known yet would be lost: events come last.
            let isLast = place == parts.count - 1
            let header = DeltaHeader(buckets: part.buckets, wantsAnswer: true, hasEvents: isLast && hasEvents)
            let start = effects.bytes.count
            var writer = self.openFrame(&effects)
            writer.write(header)
            for index in part.members { self.write(everythingOf: index, into: &writer) }
            if header.hasEvents { self.events.write(since: self.eventsStart(at: now), into: &writer) }
            self.closeFrame(&writer, from: start, to: origin.id, at: origin.endpoint, into: &effects)
        }
    }

    /// What each frame tells; at least one. What is beyond `deltaFramesMax` differs again in the next exchange.
    private func deltaParts(of buckets: BucketSet) -> [DeltaPart] {
        let groups = self.members(byBucketIn: buckets)
        var parts: [DeltaPart] = []
        var last = DeltaPart()
        for (bucket, group) in groups.sorted(by: { $0.key < $1.key }) {
            if group.bytes > Self.deltaBytesMax {
                parts += self.pieces(of: group)
                continue
            }
            if last.bytes + group.bytes > Self.deltaBytesMax {
                parts.append(last)
                last = DeltaPart()
            }
            last.add(group, as: bucket)
        }
        // Buckets in which nobody is known here go with the last frame: the other side tells what it has.
        for bucket in 0..<Digest.bucketCount where buckets.contains(bucket) && groups[bucket] == nil {
            last.buckets.insert(bucket)
        }
        return parts.prefix(Self.deltaFramesMax - 1) + [last]
    }

    private func members(byBucketIn buckets: BucketSet) -> [Int: DeltaPart] {
        var groups: [Int: DeltaPart] = [:]
        for index in 0..<self.table.end where self.table.isUsed(index) {
            let bucket = Digest.bucket(of: self.table[index].id)
            guard buckets.contains(bucket) else { continue }
            groups[bucket, default: DeltaPart()].add(index, bytes: self.byteCount(of: index))
        }
        return groups
    }

    /// A bucket too large for one frame, in several that name no bucket: whoever named it would be answered with all
    /// that its other frames tell. What the other side knows better comes when this node asks.
    private func pieces(of group: DeltaPart) -> [DeltaPart] {
        var pieces = [DeltaPart()]
        for index in group.members {
            let bytes = self.byteCount(of: index)
            if pieces[pieces.count - 1].bytes + bytes > Self.deltaBytesMax { pieces.append(DeltaPart()) }
            pieces[pieces.count - 1].add(index, bytes: bytes)
        }
        return pieces
    }

    private func byteCount(of index: Int) -> Int {
        let fields = self.table.fields(of: index)
        return AliveMessage.byteCountBeforeLabels + self.table[index].labels.count + Claim.byteCountMax
            + fields.bytes.count + fields.count * CapabilityField.messageBytesBefore
    }

    private func write(everythingOf index: Int, into writer: inout WireWriter) {
        if self.table[index].isLive { writer.write(alive: index, of: self.table) }
        if let claim = self.accusation(of: index) { writer.write(claim) }
        guard self.table[index].isLive else { return }
        for field in self.table.fields(of: index) {
            writer.write(field, of: self.table[index].id, epoch: self.table[index].boot.epoch)
        }
    }

    // MARK: Merging

    private mutating func receiveDelta(
        _ reader: inout WireReader, _ origin: inout Origin, at now: Instant, into effects: inout Effects
    ) throws(WireError) {
        let header = try reader.deltaHeader()
        // Most of the mesh knows what it tells a newcomer. It tells a little of it on, for those that join with it.
        let isFirst = self.joinedAt.map { now - $0 < self.configuration.probeInterval } ?? true
        self.isQuiet = isFirst && header.wantsAnswer
        defer { self.isQuiet = false }
        self.noteJoined(at: now)
        var comparison = DeltaComparison(members: self.table.end)
        while !reader.isAtEnd {
            try self.mergeBelief(&reader, &origin, &comparison, at: now, into: &effects)
        }
        if origin.index == nil { origin = self.origin(of: origin.id) }
        if header.wantsAnswer { self.answerDelta(header, comparison, to: origin, at: now, into: &effects) }
    }

    /// As any news, but a verdict is taken over as an accusation: its subject shall have the chance to refute it.
    private mutating func mergeBelief(
        _ reader: inout WireReader, _ origin: inout Origin, _ comparison: inout DeltaComparison, at now: Instant,
        into effects: inout Effects
    ) throws(WireError) {
        let place = reader.offset
        switch try reader.messageKind() {
        case .alive:
            let alive = try reader.alive()
            let labels = try reader.span(alive.labelBytes)
            self.compare(alive.id, alive.rank, &comparison)
            try self.merge(alive, labels: labels, from: origin, at: now, into: &effects)
            if let index = self.table.find(alive.id), self.table[index].rank == alive.rank {
                comparison.agreed(index)
            }
        case let kind where kind == .suspect || kind == .dead || kind == .left:
            var claim = try reader.claim(kind)
            if claim.id == self.local.id { return self.accused(claim, at: now, into: &effects) }
            self.compare(claim.id, claim.rank, &comparison)
            guard let index = self.table.find(claim.id) else { return }
            if claim.state == .dead {
                guard self.table[index].state != .dead else { return }
                claim.state = .suspect
                claim.accuser = origin.id
            }
            self.merge(claim, cause: .merged, at: now, into: &effects)
        case .capability:
            if let (index, place) = try self.receiveCapability(&reader, at: now, into: &effects) {
                comparison.agreed(field: place, of: index)
            }
        case .event:
            try self.receiveEvent(&reader, at: now, into: &effects)
        default:
            throw WireError(.unknownKind, at: place)
        }
    }

    private func compare(_ id: NodeID, _ rank: Rank, _ comparison: inout DeltaComparison) {
        guard let index = self.table.find(id) else { return }
        comparison.mentioned(index)
        if rank >= self.table[index].rank { comparison.agreed(index) }
    }

    /// Tells back what the other side does not know, or knows worse.
    private mutating func answerDelta(
        _ header: DeltaHeader, _ comparison: DeltaComparison, to origin: Origin, at now: Instant,
        into effects: inout Effects
    ) {
        var writer: WireWriter?
        var start = effects.bytes.count
        if header.hasEvents {
            var opened = self.openFrame(&effects)
            opened.write(DeltaHeader(buckets: BucketSet(), wantsAnswer: false))
            self.events.write(since: self.eventsStart(at: now), into: &opened)
            writer = opened
        }
        for index in 0..<self.table.end where self.table.isUsed(index) {
            guard header.buckets.contains(Digest.bucket(of: self.table[index].id)) else { continue }
            let isKnown = comparison.isAgreed(index)
            // The dead are told only to those who believe otherwise.
            let isBelief = !isKnown && (self.table[index].isLive || comparison.isMentioned(index))
            let fields = self.table[index].isLive ? Array(self.table.fields(of: index)) : []
            guard isBelief || !fields.allSatisfy({ comparison.isAgreed($0, of: index) }) else { continue }
            if writer == nil {
                start = effects.bytes.count
                var opened = self.openFrame(&effects)
                opened.write(DeltaHeader(buckets: BucketSet(), wantsAnswer: false))
                writer = opened
            }
            if isBelief, self.table[index].isLive { writer?.write(alive: index, of: self.table) }
            if isBelief, let claim = self.accusation(of: index) { writer?.write(claim) }
            for field in fields where !comparison.isAgreed(field, of: index) {
                writer?.write(field, of: self.table[index].id, epoch: self.table[index].boot.epoch)
            }
            if var full = writer, full.count - start > Self.deltaBytesMax {
                writer = nil
                self.closeFrame(&full, from: start, to: origin.id, at: origin.endpoint, into: &effects)
            }
        }
        if var last = writer {
            self.closeFrame(&last, from: start, to: origin.id, at: origin.endpoint, into: &effects)
        }
    }
}

/// What one frame of a delta tells.
private struct DeltaPart {
    /// Told whole, so that the other side can tell back what is missing.
    var buckets = BucketSet()
    var members: [Int] = []
    /// At most so many when encoded.
    var bytes = 0

    mutating func add(_ index: Int, bytes: Int) {
        self.members.append(index)
        self.bytes += bytes
    }

    mutating func add(_ group: DeltaPart, as bucket: Int) {
        self.buckets.insert(bucket)
        self.members += group.members
        self.bytes += group.bytes
    }
}

/// What the sender of a delta knows at least as well as this node.
struct DeltaComparison: Sendable {
    private var flags: [UInt8]
    /// A bit per field and member; empty until a field is mentioned.
    private var fields: [UInt64] = []

    init(members: Int) { self.flags = Array(repeating: 0, count: members) }

    mutating func mentioned(_ index: Int) { self.set(1, index) }
    mutating func agreed(_ index: Int) { self.set(3, index) }
    func isMentioned(_ index: Int) -> Bool { index < self.flags.count && self.flags[index] & 1 != 0 }
    func isAgreed(_ index: Int) -> Bool { index < self.flags.count && self.flags[index] & 2 != 0 }

    mutating func agreed(field place: Int, of index: Int) {
        while self.fields.count <= index {
            self.fields.append(contentsOf: repeatElement(0, count: max(64, self.flags.count - self.fields.count)))
        }
        self.fields[index] |= 1 << UInt64(place)
    }

    func isAgreed(_ field: FieldList.Field, of index: Int) -> Bool {
        index < self.fields.count && self.fields[index] & (1 << UInt64(field.place)) != 0
    }

    private mutating func set(_ bits: UInt8, _ index: Int) {
        while self.flags.count <= index { self.flags.append(0) }
        self.flags[index] |= bits
    }
}

/// One question to one member, from its ping to the verdict at the end of the protocol period.
struct Probe: Sendable {
    var sequence: UInt32
    var target: Int
    var epoch: UInt64
    var sentAt: Instant
    /// When the next thing is due: asking others, looking for hard evidence, or the end.
    var deadline: Instant
    var endsAt: Instant
    var helpers = 0
    var nacks = 0
    /// Before this a nack says that the helper is there, and not that it tried: who tries waits for most of the timeout.
    var triedAt = Instant.distantFuture
    /// A helper tried in vain.
    var failedIndirectly = false
    var askedOthers = false
    var answeredByStream = false
    /// The target named another epoch and was asked again.
    var askedAgain = false
}

/// How many probes ended how.
package struct ProbeTally: Hashable, Sendable {
    /// The member answered itself.
    package var direct: UInt64 = 0
    /// Others brought its answer.
    package var indirect: UInt64 = 0
    /// Only its stream answered.
    package var stream: UInt64 = 0
    package var failed: UInt64 = 0

    package init() {}
}

extension Membership {
    /// At most so many at once; beyond, a hint waits for the regular order.
    static let probesMax = 16

    /// When failure detection has something to do.
    var detectionDue: Instant {
        var due = self.probeAt
        for probe in self.probes where probe.deadline < due { due = probe.deadline }
        return due
    }

    /// Lifeguard: a node that does not hear well gives others more time.
    private func scaled(_ duration: Duration) -> Duration { duration * (Int(self.localHealth) + 1) }

    mutating func worsenHealth(by count: Int) {
        guard self.configuration.lifeguard else { return }
        self.localHealth = UInt8(min(7, Int(self.localHealth) + count))
    }

    private mutating func improveHealth() { if self.localHealth > 0 { self.localHealth -= 1 } }

    /// The regular probe of one protocol period.
    mutating func probeNext(at now: Instant, into effects: inout Effects) {
        guard let target = self.order.next(in: &self.table, using: &self.random) else {
            self.probeAt = .distantFuture
            return
        }
        self.probeAt = now + self.scaled(self.configuration.probeInterval)
        self.probe(target, at: now, into: &effects)
    }

    /// Out of turn, because a stream to the member broke: asks it, others and the stream all at once.
    mutating func probeUrgently(_ target: Int, at now: Instant, into effects: inout Effects) {
        if let running = self.probes.firstIndex(where: { $0.target == target }) {
            guard !self.probes[running].askedOthers else { return }
            return self.askOthers(running, at: now, into: &effects)
        }
        guard self.probe(target, at: now, into: &effects) else { return }
        self.askOthers(self.probes.count - 1, at: now, into: &effects)
    }

    @discardableResult
    private mutating func probe(_ target: Int, at now: Instant, into effects: inout Effects) -> Bool {
        guard self.probes.count < Self.probesMax else { return false }
        let sequence = self.nextSequence()
        self.probes.append(
            Probe(
                sequence: sequence, target: target, epoch: self.table[target].boot.epoch, sentAt: now,
                deadline: now + self.scaled(self.configuration.probeTimeout),
                endsAt: now + self.scaled(self.configuration.probeInterval)))
        self.ping(target, sequence: sequence, into: &effects)
        return true
    }

    mutating func nextSequence() -> UInt32 {
        self.lastSequence &+= 1
        return self.lastSequence
    }

    /// What the target must refute comes before the ping, so that its ack can carry the refutation.
    mutating func ping(_ target: Int, sequence: UInt32, into effects: inout Effects) {
        let start = effects.bytes.count
        var writer = self.open(&effects, to: target, epoch: self.table[target].epochHeard)
        if self.configuration.lifeguard || !self.table[target].isLive, let claim = self.accusation(of: target) {
            writer.write(claim)
        }
        writer.write(Ping(sequence: sequence, target: self.table[target].id))
        self.tell(into: &writer, limit: start + self.configuration.datagramBytesMax)
        self.close(&writer, from: start, to: self.table[target].endpoint, into: &effects)
    }

    mutating func answer(_ ping: Ping, _ origin: Origin, at now: Instant, into effects: inout Effects) {
        guard ping.target == self.local.id else { return effects.refuse(.misdirected) }
        let start = effects.bytes.count
        var writer = self.open(&effects, to: origin.index, epoch: origin.epoch)
        if origin.accusesUs { writer.write(alive: 0, of: self.table) }
        if let index = origin.index, let claim = self.accusation(of: index) { writer.write(claim) }
        writer.write(.ack, sequence: ping.sequence)
        self.tell(into: &writer, limit: start + self.configuration.datagramBytesMax)
        self.close(&writer, from: start, to: origin.endpoint, into: &effects)
    }

    /// The direct answer is late: asks k others to try, and the stream, which fails in other ways than UDP.
    private mutating func askOthers(_ place: Int, at now: Instant, into effects: inout Effects) {
        let probe = self.probes[place]
        let timeout = self.scaled(self.configuration.probeTimeout)
        let milliseconds = UInt16(clamping: timeout.nanoseconds / 1_000_000)
        self.draw(self.configuration.indirectProbes, besides: probe.target, orRecentlyDead: false, at: now)
        for helper in self.gossipTargets {
            let helper = Int(helper)
            let start = effects.bytes.count
            var writer = self.open(&effects, to: helper, epoch: self.table[helper].epochHeard)
            let request = PingRequest(
                sequence: probe.sequence, target: self.table[probe.target].id, timeout: milliseconds)
            writer.write(request)
            self.close(&writer, from: start, to: self.table[helper].endpoint, into: &effects)
        }
        self.streamPing(probe.target, sequence: probe.sequence, into: &effects)
        self.probes[place].helpers = self.gossipTargets.count
        self.probes[place].askedOthers = true
        self.probes[place].triedAt = now + timeout / 2
        self.probes[place].deadline = min(now + timeout, probe.endsAt)
    }

    mutating func concludeProbes(at now: Instant, into effects: inout Effects) {
        var place = 0
        while place < self.probes.count {
            let probe = self.probes[place]
            if probe.deadline > now {
                place += 1
            } else if now >= probe.endsAt || self.hasHardEvidence(probe) {
                self.probes.remove(at: place)
                self.failed(probe, at: now, into: &effects)
            } else if probe.askedOthers {
                self.probes[place].deadline = probe.endsAt
                place += 1
            } else {
                self.askOthers(place, at: now, into: &effects)
                place += 1
            }
        }
    }

    private mutating func failed(_ probe: Probe, at now: Instant, into effects: inout Effects) {
        let isHard = self.hasHardEvidence(probe)
        let target = probe.target
        if probe.answeredByStream {
            self.probeTally.stream += 1
            // Heard in time, if by another way: this node is not the one that is late.
            self.improveHealth()
            return self.missedDatagrams(probe, at: now, into: &effects)
        }
        self.probeTally.failed += 1
        // Lifeguard: helpers that did not even nack say that it is this node that does not hear.
        if !isHard { self.worsenHealth(by: probe.helpers > 0 ? probe.helpers - probe.nacks : 1) }
        guard self.table[target].isLive, self.table[target].boot.epoch == probe.epoch else { return }
        self.suspect(target, by: self.local.id, hardEvidence: isHard, at: now, into: &effects)
    }

    /// An ack of a probe, direct or brought by a helper, or of a ping made for somebody else.
    mutating func acknowledged(
        _ sequence: UInt32, by origin: Origin, at now: Instant, into effects: inout Effects
    ) {
        guard let index = origin.index else { return effects.refuse(.unknownSender) }
        if let place = self.probes.firstIndex(where: { $0.sequence == sequence }) {
            let probe = self.probes.remove(at: place)
            self.improveHealth()
            self.showsLife(probe.target, epoch: probe.epoch, at: now)
            if probe.target != index {
                self.probeTally.indirect += 1
                self.missedDatagrams(probe, at: now, into: &effects)
            } else {
                self.probeTally.direct += 1
                if !probe.askedAgain { self.note(roundTrip: now - probe.sentAt, to: index) }
            }
        } else {
            self.showsLife(index, epoch: origin.epoch, at: now)
            self.forwardAck(sequence, from: index, into: &effects)
        }
        self.datagramsPassed(index, at: now, into: &effects)
    }

    mutating func negativelyAcknowledged(_ sequence: UInt32, by origin: Origin, at now: Instant) {
        guard let place = self.probes.firstIndex(where: { $0.sequence == sequence }), origin.index != nil,
            self.probes[place].nacks < self.probes[place].helpers
        else { return }
        self.probes[place].nacks += 1
        if now >= self.probes[place].triedAt { self.probes[place].failedIndirectly = true }
    }

    mutating func note(roundTrip: Duration, to index: Int) {
        let sample = UInt32(clamping: roundTrip.nanoseconds / 1000)
        self.table[index].note(roundTrip: sample)
        self.details[index, default: MemberDetails()].roundTrips.append(sample)
    }

    // MARK: Over the stream

    private mutating func streamPing(_ target: Int, sequence: UInt32, into effects: inout Effects) {
        let start = effects.bytes.count
        var writer = self.openFrame(&effects)
        if let claim = self.accusation(of: target) { writer.write(claim) }
        writer.write(.streamPing, sequence: sequence)
        writer.write(datagramCount: self.table[target].sent)
        self.tell(into: &writer, limit: start + self.configuration.datagramBytesMax)
        self.closeFrame(
            &writer, from: start, to: self.table[target].id, at: self.table[target].endpoint, into: &effects)
    }

    mutating func answer(streamPing sequence: UInt32, _ origin: Origin, into effects: inout Effects) {
        let start = effects.bytes.count
        var writer = self.openFrame(&effects)
        if origin.accusesUs { writer.write(alive: 0, of: self.table) }
        writer.write(.streamPong, sequence: sequence)
        if let index = origin.index { writer.write(datagramCount: self.table[index].sent) }
        self.tell(into: &writer, limit: start + self.configuration.datagramBytesMax)
        self.closeFrame(&writer, from: start, to: origin.id, at: origin.endpoint, into: &effects)
    }

    /// Its datagrams and its stream disagree about how far it is: the stream cannot be written in its name.
    mutating func counted(_ count: UInt64, by origin: Origin) {
        guard let index = origin.index, self.streams.boot(of: origin.id) == self.table[index].boot else { return }
        self.table[index].window.restart(epoch: self.table[index].boot.epoch, after: count)
    }

    mutating func streamAnswered(
        _ sequence: UInt32, by origin: Origin, at now: Instant, into effects: inout Effects
    ) {
        guard let index = origin.index else { return }
        self.showsLife(index, epoch: self.table[index].boot.epoch, at: now)
        guard let place = self.probes.firstIndex(where: { $0.sequence == sequence && $0.target == index }) else {
            return self.streamAnsweredLate(index, at: now, into: &effects)
        }
        self.probes[place].answeredByStream = true
        if self.table[index].roundTrip == 0 { self.note(roundTrip: now - self.probes[place].sentAt, to: index) }
    }
}

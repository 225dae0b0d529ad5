/// A stream to a member broke and its host refused the next: half of the proof that the process is gone. The other
/// half is a probe that fails both directly and through others. Each half alone has innocent explanations.
struct Evidence: Sendable {
    /// The boot that the handshake of the broken stream proved.
    var epoch: UInt64
    var refused: Bool
}

extension Membership {
    mutating func streamOpened(
        _ id: NodeID, boot: Boot, endpoint: Endpoint, at now: Instant, into effects: inout Effects
    ) {
        guard id != self.local.id else { return effects.refuse(.clonedBoot) }
        guard endpoint.isUnicast, 1...Boot.epochMax ~= boot.epoch else { return effects.refuse(.malformed) }
        guard let index = self.table.find(id) else {
            self.streams.opened(id, boot: boot)
            return self.strangers.note(id, endpoint: endpoint)
        }
        let known = self.table[index].boot
        if boot != known, boot.epoch <= known.epoch, self.table[index].flags.contains(.proven) {
            // An earlier handshake proved a later boot, or this one with another nonce: a restored snapshot.
            return effects.refuse(boot.epoch < known.epoch ? .staleBoot : .clonedBoot)
        }
        self.streams.opened(id, boot: boot)
        if boot == known { self.table[index].flags.insert(.proven) }
        self.showsLife(index, epoch: boot.epoch, at: now)
        // Another boot than was told, or one that was given up: both sides have something to tell.
        if boot != known || self.table[index].state == .dead { self.exchange(with: id, at: now, into: &effects) }
    }

    mutating func streamEnded(_ id: NodeID, boot: Boot) {
        self.strangers.streamClosed(id)
        self.streams.closed(id, boot: boot)
    }

    /// A hint, never a verdict: probe now.
    mutating func streamClosed(
        _ id: NodeID, boot: Boot, refused: Bool, at now: Instant, into effects: inout Effects
    ) {
        self.streamEnded(id, boot: boot)
        guard self.phase == .active, let index = self.table.find(id), index != 0, self.table[index].isLive,
            self.table[index].boot == boot
        else { return }
        let wasRefused = self.evidence[index]?.refused == true && self.evidence[index]?.epoch == boot.epoch
        self.evidence[index] = Evidence(epoch: boot.epoch, refused: refused || wasRefused)
        self.probeUrgently(index, at: now, into: &effects)
    }

    /// The failed direct probe and the refused stream are known; at least one helper must have said that it tried,
    /// or else it may be this node that is cut off. With nobody to ask there is nobody to contradict.
    func hasHardEvidence(_ probe: Probe) -> Bool {
        guard probe.askedOthers, !probe.answeredByStream, probe.helpers == 0 || probe.failedIndirectly,
            let evidence = self.evidence[probe.target]
        else { return false }
        return evidence.refused && evidence.epoch == self.table[probe.target].boot.epoch
    }

    /// An ack, a stream or a newer boot voids the evidence: the suspicion that it shortened waits as any other.
    mutating func showsLife(_ index: Int, epoch: UInt64, at now: Instant) {
        guard epoch >= self.table[index].boot.epoch else { return }
        self.evidence[index] = nil
        guard self.table[index].state == .suspect, self.suspicions[index]?.evidencePatience != nil else { return }
        self.suspicions[index]?.evidencePatience = nil
        self.table[index].flags.remove(.hardEvidence)
        if let deadline = self.suspicions[index]?.deadline {
            self.deadlines.add(.suspicion(index), due: max(now, deadline))
        }
    }
}

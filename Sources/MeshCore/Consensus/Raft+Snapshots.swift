package enum SnapshotInput: Sendable {
    /// The state as of `position` is open for reading; it is what the state machine had applied.
    case opened(to: ReplicaID, LogPosition)
    case chunkRead(to: ReplicaID, LogPosition, offset: UInt64, bytes: [UInt8], isLast: Bool)
    /// The snapshot cannot be read; it is opened anew.
    case failed(to: ReplicaID)
    /// The received state is whole and durable in the place of the old one, and the log starts after it.
    case installed(LogPosition)
    /// What was received does not add up, and is gone; log and state are as they were. The leader begins anew.
    case refused(LogPosition)
}

package enum SnapshotEffect: Hashable, Sendable {
    /// Open the applied state for reading; answer `opened`.
    case open(to: ReplicaID)
    /// Answer `chunkRead`. At most that many bytes.
    case readChunk(to: ReplicaID, LogPosition, offset: UInt64, bytesMax: Int)
    case close(to: ReplicaID)
    /// Receive a snapshot beside log and state, which stay as they are. What is there of another one goes.
    case begin(LogPosition)
    case chunk(LogPosition, offset: UInt64, bytes: [UInt8])
    /// All chunks are there: put the received state in the place of the old one and let the log start at the position
    /// with these replicas, all in one write; answer `installed` after the fsync, or `refused`.
    case finish(LogPosition, ReplicaHistory.Version)
    /// The log got there first: what was received goes.
    case discard
}

/// A snapshot on its way out.
struct SnapshotTransfer: Sendable {
    /// nil until it is open.
    var position: LogPosition?
    var acknowledged: UInt64 = 0
    var next: UInt64 = 0
    /// Up to here it has been sent at some time; nobody can have acknowledged more.
    var sent: UInt64 = 0
    /// Where it ends, once that was read.
    var end: UInt64?
    var isReading = false
    var chunks: UInt64 = 0
}

/// A snapshot on its way in: resumed only at the same position and in the same term, for a leader that reigns again does not
/// know what it sent before; and forgotten by a restart.
struct SnapshotInstall: Sendable {
    var term: Term
    var position: LogPosition
    var replicas: ReplicaHistory.Version
    var next: UInt64 = 0
    /// All chunks are there.
    var isWhole = false
    /// The disk was told to put it in the place of log and state.
    var isFinishing = false
}

/// Snapshots for followers that lack what the log no longer has (chapter 5), in chunks with a window.
///
/// One is received beside log and state, which stay valid until it is whole: the replica votes and holds for the others
/// what it always held. Else a voter would be lost from the first chunk to the last, and every committed entry would have
/// one holder less.
extension Raft {
    /// A snapshot is on its way in.
    package var isInstalling: Bool { self.install != nil }

    /// The snapshot is whole and takes the place of log and state. Until it has, nothing may be added to either: no
    /// appends, no entries to apply, no reign. Votes go on, by the log that this replica has answered for so far.
    package var isReplacing: Bool { self.install?.isWhole ?? false }

    // MARK: Leader

    mutating func beginSnapshot(to place: Int, at now: Instant, into effects: inout Effects) {
        guard let id = self.leadership?.followers[place].id else { return }
        var transfer = SnapshotTransfer()
        // Opened again, perhaps at the same position: the follower holds what it was sent before.
        if case .snapshot(let before) = self.leadership?.followers[place].mode { transfer.sent = before.sent }
        self.leadership?.followers[place].probe(from: 1)
        self.leadership?.followers[place].mode = .snapshot(transfer)
        self.leadership?.followers[place].sentAt = now
        self.leadership?.followers[place].asleepSince = nil
        effects.list.append(.snapshot(.open(to: id)))
    }

    mutating func snapshot(_ input: SnapshotInput, at now: Instant, into effects: inout Effects) {
        switch input {
        case .opened(let id, let position):
            guard let (place, opening) = self.transfer(to: id), opening.position == nil else { return }
            var transfer = opening
            guard position.index >= self.log.base.index, self.log.term(at: position.index) == position.term,
                position.index > 0
            else { return self.beginSnapshot(to: place, at: now, into: &effects) }
            transfer.position = position
            self.leadership?.followers[place].mode = .snapshot(transfer)
            self.readChunk(to: place, into: &effects)
        case .chunkRead(let id, let position, let offset, let bytes, let isLast):
            guard let (place, known) = self.transfer(to: id), known.position == position, known.next == offset,
                known.isReading
            else { return }
            var transfer = known
            transfer.isReading = false
            transfer.next = offset + UInt64(bytes.count)
            transfer.sent = max(transfer.sent, transfer.next)
            transfer.end = isLast ? transfer.next : transfer.end
            transfer.chunks += 1
            self.leadership?.followers[place].mode = .snapshot(transfer)
            self.leadership?.followers[place].sentAt = now
            let chunk = SnapshotChunk(
                position: position, replicas: self.history.version(at: position.index), offset: offset, isLast: isLast,
                stamp: now, bytes: bytes)
            self.send(.snapshotChunk(chunk), to: id, into: &effects)
            self.readChunk(to: place, into: &effects)
        case .failed(let id):
            guard let (place, _) = self.transfer(to: id) else { return }
            self.beginSnapshot(to: place, at: now, into: &effects)
        case .installed(let position): self.installed(position, at: now, into: &effects)
        case .refused(let position): if self.install?.position == position { self.install = nil }
        }
    }

    private func transfer(to id: ReplicaID) -> (place: Int, transfer: SnapshotTransfer)? {
        guard let place = self.leadership?.place(of: id),
            case .snapshot(let transfer) = self.leadership?.followers[place].mode
        else { return nil }
        return (place, transfer)
    }

    private mutating func readChunk(to place: Int, into effects: inout Effects) {
        guard let progress = self.leadership?.followers[place], case .snapshot(var transfer) = progress.mode,
            let position = transfer.position, transfer.end == nil, !transfer.isReading,
            transfer.chunks < self.settings.chunksInFlightMax
        else { return }
        transfer.isReading = true
        self.leadership?.followers[place].mode = .snapshot(transfer)
        effects.list.append(
            .snapshot(
                .readChunk(
                    to: progress.id, position, offset: transfer.next,
                    bytesMax: min(self.settings.chunkBytesMax, SnapshotChunk.bytesMax))))
    }

    mutating func receive(
        _ response: SnapshotResponse, from follower: ReplicaID, at now: Instant, into effects: inout Effects
    ) {
        guard let place = self.leadership?.place(of: follower) else {
            if self.leadership != nil { effects.refuse(.unknownReplica) }
            return
        }
        self.renewed(place, stamp: response.stamp, at: now)
        guard var (_, transfer) = self.transfer(to: follower), transfer.position == response.position else { return }
        if response.isInstalled {
            effects.list.append(.snapshot(.close(to: follower)))
            _ = self.leadership?.followers[place].acknowledged(response.position.index)
            self.leadership?.followers[place].probe(from: response.position.index + 1)
            return
        }
        guard response.next <= transfer.sent else { return effects.refuse(.impossibleIndex) }
        // The follower restarted, or could not use what it got: it begins anew, and so does the sending.
        guard response.next > 0 else {
            return transfer.acknowledged > 0 ? self.goBack(place, transfer, to: 0, into: &effects) : ()
        }
        guard response.next > transfer.acknowledged else { return }
        // It holds more than was sent since: an answer that came late said that it had begun anew.
        guard response.next <= transfer.next else {
            return self.goBack(place, transfer, to: response.next, into: &effects)
        }
        transfer.acknowledged = response.next
        transfer.chunks = max(1, transfer.chunks) - 1
        self.leadership?.followers[place].mode = .snapshot(transfer)
        self.readChunk(to: place, into: &effects)
    }

    /// Goes back to the last acknowledged chunk.
    mutating func resendChunk(to place: Int, at now: Instant, into effects: inout Effects) {
        guard let progress = self.leadership?.followers[place], case .snapshot(let transfer) = progress.mode else {
            return
        }
        self.leadership?.followers[place].sentAt = now
        guard transfer.position != nil else { return effects.list.append(.snapshot(.open(to: progress.id))) }
        self.goBack(place, transfer, to: transfer.acknowledged, into: &effects)
    }

    private mutating func goBack(
        _ place: Int, _ transfer: SnapshotTransfer, to offset: UInt64, into effects: inout Effects
    ) {
        var transfer = transfer
        transfer.acknowledged = offset
        transfer.next = offset
        transfer.end = nil
        transfer.chunks = 0
        transfer.isReading = false
        self.leadership?.followers[place].mode = .snapshot(transfer)
        self.readChunk(to: place, into: &effects)
    }

    // MARK: Follower

    /// InstallSnapshot, receiver implementation (Figure 5.3).
    mutating func receive(_ chunk: SnapshotChunk, from leader: ReplicaID, into effects: inout Effects) {
        let isKnown = self.install?.term == self.term && self.install?.position == chunk.position
        // What the log is about to be is not known to be durable: whoever sends anything else asks again.
        if self.isReplacing, !isKnown { return }
        if !self.isReplacing, self.log.term(at: chunk.position.index) == chunk.position.term {
            // All of it is here already.
            self.commit = max(self.commit, chunk.position.index)
        }
        guard chunk.position.index > self.commit else {
            return self.answer(chunk, next: 0, isInstalled: true, to: leader, into: &effects)
        }
        if !isKnown {
            guard chunk.offset == 0 else {
                return self.answer(chunk, next: 0, isInstalled: false, to: leader, into: &effects)
            }
            self.install = SnapshotInstall(term: self.term, position: chunk.position, replicas: chunk.replicas)
            effects.list.append(.snapshot(.begin(chunk.position)))
        }
        guard var install = self.install else { return }
        if !install.isWhole, chunk.offset == install.next {
            effects.list.append(.snapshot(.chunk(chunk.position, offset: chunk.offset, bytes: chunk.bytes)))
            install.next += UInt64(chunk.bytes.count)
            install.isWhole = chunk.isLast
            self.install = install
        }
        self.answer(chunk, next: install.next, isInstalled: false, to: leader, into: &effects)
    }

    /// A whole snapshot takes its place once the state machine is done with what it was given, so that no write to the old
    /// state follows. One that is no longer needed goes.
    mutating func advanceInstall(into effects: inout Effects) {
        guard let install = self.install else { return }
        if !install.isWhole {
            guard install.position.index <= self.commit else { return }
            self.install = nil
            effects.list.append(.snapshot(.discard))
        } else if !install.isFinishing, self.applied == self.handedOut {
            self.install?.isFinishing = true
            effects.list.append(.snapshot(.finish(install.position, install.replicas)))
        }
    }

    private mutating func installed(_ position: LogPosition, at now: Instant, into effects: inout Effects) {
        guard let install = self.install, install.isFinishing, install.position == position else { return }
        self.install = nil
        self.log.reset(to: position)
        self.history = ReplicaHistory(install.replicas)
        self.commit = position.index
        self.applied = position.index
        self.handedOut = position.index
        self.isLoadingToApply = false
        self.noteCaughtUp(into: &effects)
        guard let leader = self.leader, self.term == install.term else { return }
        let response = SnapshotResponse(
            position: position, next: install.next, isInstalled: true, stamp: Instant(nanoseconds: 0))
        self.send(.snapshotResponse(response), to: leader, after: self.lastWrite, into: &effects)
    }

    private mutating func answer(
        _ chunk: SnapshotChunk, next: UInt64, isInstalled: Bool, to leader: ReplicaID, into effects: inout Effects
    ) {
        let response = SnapshotResponse(
            position: chunk.position, next: next, isInstalled: isInstalled, stamp: chunk.stamp)
        self.send(.snapshotResponse(response), to: leader, after: isInstalled ? self.lastWrite : 0, into: &effects)
    }
}

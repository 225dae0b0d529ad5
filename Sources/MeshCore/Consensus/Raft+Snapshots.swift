package enum SnapshotInput: Sendable {
    /// The state as of `position` is open for reading; it is what the state machine had applied.
    case opened(to: ReplicaID, LogPosition)
    case chunkRead(to: ReplicaID, LogPosition, offset: UInt64, bytes: [UInt8], isLast: Bool)
    /// The snapshot cannot be read; it is opened anew.
    case failed(to: ReplicaID)
    /// The received state is whole and durable, the marker is gone and the log starts after it.
    case installed(LogPosition)
    /// What was received does not add up. The marker stays, and the leader begins anew.
    case refused(LogPosition)
}

package enum SnapshotEffect: Hashable, Sendable {
    /// Open the applied state for reading; answer `opened`.
    case open(to: ReplicaID)
    /// Answer `chunkRead`. At most that many bytes.
    case readChunk(to: ReplicaID, LogPosition, offset: UInt64, bytesMax: Int)
    case close(to: ReplicaID)
    /// Mark the replica as installing, durably and before anything else; its state and log go.
    case begin(LogPosition)
    case chunk(LogPosition, offset: UInt64, bytes: [UInt8])
    /// All chunks are there: make the state whole, let the log start at the position with these replicas, remove the
    /// marker, all in one write; answer `installed` after the fsync.
    case finish(LogPosition, ReplicaHistory.Version)
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

/// A snapshot on its way in: resumed only from the same sender at the same position.
struct SnapshotInstall: Sendable {
    var from: ReplicaID
    var position: LogPosition
    var replicas: ReplicaHistory.Version
    var next: UInt64 = 0
    var isWhole = false
}

/// Snapshots for followers that lack what the log no longer has (chapter 5), in chunks with a window.
extension Raft {
    // MARK: Leader

    mutating func beginSnapshot(to place: Int, at now: Instant, into effects: inout Effects) {
        guard let id = self.leadership?.followers[place].id else { return }
        self.leadership?.followers[place].probe(from: 1)
        self.leadership?.followers[place].mode = .snapshot(SnapshotTransfer())
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
        if !self.isInstalling, self.log.term(at: chunk.position.index) == chunk.position.term {
            // All of it is here already.
            self.commit = max(self.commit, chunk.position.index)
            return self.answer(
                chunk.position, next: 0, isInstalled: true, stamp: chunk.stamp, to: leader, into: &effects)
        }
        if !self.isInstalling, chunk.position.index <= self.commit {
            return self.answer(
                chunk.position, next: 0, isInstalled: true, stamp: chunk.stamp, to: leader, into: &effects)
        }
        if self.install?.from != leader || self.install?.position != chunk.position {
            guard chunk.offset == 0 else {
                return self.answer(
                    chunk.position, next: 0, isInstalled: false, stamp: chunk.stamp, to: leader, into: &effects)
            }
            self.beginInstall(chunk, from: leader, into: &effects)
        }
        guard var install = self.install else { return }
        if !install.isWhole, chunk.offset == install.next {
            effects.list.append(.snapshot(.chunk(chunk.position, offset: chunk.offset, bytes: chunk.bytes)))
            install.next += UInt64(chunk.bytes.count)
            install.isWhole = chunk.isLast
            self.install = install
            if chunk.isLast { effects.list.append(.snapshot(.finish(install.position, install.replicas))) }
        }
        self.answer(
            chunk.position, next: install.next, isInstalled: false, stamp: chunk.stamp, to: leader, into: &effects)
    }

    /// From here to the end there is no state and no log: the replica does not vote, and nothing it holds counts.
    private mutating func beginInstall(_ chunk: SnapshotChunk, from leader: ReplicaID, into effects: inout Effects) {
        self.install = SnapshotInstall(from: leader, position: chunk.position, replicas: chunk.replicas)
        self.isInstalling = true
        self.log.reset(to: .zero)
        self.history = ReplicaHistory(.init(index: 0, replicas: self.history.latest.replicas))
        self.commit = 0
        self.applied = 0
        self.handedOut = 0
        self.isLoadingToApply = false
        effects.list.append(.snapshot(.begin(chunk.position)))
    }

    private mutating func installed(_ position: LogPosition, at now: Instant, into effects: inout Effects) {
        guard let install = self.install, install.isWhole, install.position == position else { return }
        self.install = nil
        self.isInstalling = false
        self.log.reset(to: position)
        self.history = ReplicaHistory(install.replicas)
        self.commit = position.index
        self.applied = position.index
        self.handedOut = position.index
        self.noteCaughtUp(into: &effects)
        guard self.leader == install.from else { return }
        self.answer(position, next: install.next, isInstalled: true, stamp: nil, to: install.from, into: &effects)
    }

    private mutating func answer(
        _ position: LogPosition, next: UInt64, isInstalled: Bool, stamp: Instant?, to leader: ReplicaID,
        into effects: inout Effects
    ) {
        let response = SnapshotResponse(
            position: position, next: next, isInstalled: isInstalled, stamp: stamp ?? Instant(nanoseconds: 0))
        self.send(.snapshotResponse(response), to: leader, after: isInstalled ? self.lastWrite : 0, into: &effects)
    }
}

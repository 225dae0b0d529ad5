extension RaftMessage {
    /// The byte that says which body follows.
    package enum Kind: UInt8, Sendable, CaseIterable {
        case voteRequest = 1
        case voteResponse = 2
        case append = 3
        case appendResponse = 4
        case snapshotChunk = 5
        case snapshotResponse = 6
        case timeoutNow = 7
        case sleep = 8
        case sleepResponse = 9
    }

    /// What one message may take: a batch, or a single entry that is larger, and what is around it.
    package static let bytesMax = LogEntry.payloadBytesMax + (1 << 20)
}

extension WireWriter {
    package mutating func write(_ message: RaftMessage) {
        self.write(message.group.number)
        self.write(message.incarnation)
        self.write(message.from)
        self.write(message.to)
        self.write(message.term)
        switch message.body {
        case .voteRequest(let request):
            self.write(RaftMessage.Kind.voteRequest.rawValue)
            self.write(request)
        case .voteResponse(let response):
            self.write(RaftMessage.Kind.voteResponse.rawValue)
            self.write(response)
        case .append(let append):
            self.write(RaftMessage.Kind.append.rawValue)
            self.write(append)
        case .appendResponse(let response):
            self.write(RaftMessage.Kind.appendResponse.rawValue)
            self.write(response)
        case .snapshotChunk(let chunk):
            self.write(RaftMessage.Kind.snapshotChunk.rawValue)
            self.write(chunk)
        case .snapshotResponse(let response):
            self.write(RaftMessage.Kind.snapshotResponse.rawValue)
            self.write(response)
        case .timeoutNow: self.write(RaftMessage.Kind.timeoutNow.rawValue)
        case .sleep(let sleep):
            self.write(RaftMessage.Kind.sleep.rawValue)
            self.write(sleep)
        case .sleepResponse(let sleep):
            self.write(RaftMessage.Kind.sleepResponse.rawValue)
            self.write(sleep)
        }
    }

    mutating func write(_ incarnation: GroupIncarnation) {
        self.write(incarnation.counter)
        self.write(incarnation.id)
    }

    mutating func write(_ position: LogPosition) {
        self.write(position.index)
        self.write(position.term)
    }

    mutating func write(_ instant: Instant) { self.write(instant.nanoseconds) }

    mutating func write(_ flags: Bool...) {
        var byte: UInt8 = 0
        for (place, flag) in flags.enumerated() where flag { byte |= 1 << UInt8(place) }
        self.write(byte)
    }

    private mutating func write(_ request: VoteRequest) {
        self.write(request.isPreVote, request.isTransfer)
        self.write(request.term)
        self.write(request.last)
        self.write(request.round)
        self.write(request.vouchedLife)
    }

    private mutating func write(_ response: VoteResponse) {
        self.write(response.isPreVote, response.isGranted)
        self.write(response.term)
        self.write(response.round)
        self.write(response.shortLife)
    }

    private mutating func write(_ append: Append) {
        self.write(append.previous)
        self.write(append.commit)
        self.write(append.stamp)
        self.write(append.acknowledged)
        self.write(append.heldByAll)
        self.write(UInt16(append.entries.count))
        // Indices follow each other, so only terms are told.
        for entry in append.entries {
            self.write(entry.term)
            self.write(entry.kind.rawValue)
            self.write(bytes: entry.payload)
        }
    }

    private mutating func write(_ response: AppendResponse) {
        self.write(response.isShort)
        self.write(response.stamp)
        self.write(response.applied)
        switch response.outcome {
        case .matched(let index):
            self.write(UInt8(0))
            self.write(index)
        case .conflict(let rejected, let hint):
            self.write(UInt8(1))
            self.write(rejected)
            self.write(hint)
        }
    }

    private mutating func write(_ chunk: SnapshotChunk) {
        self.write(chunk.isLast)
        self.write(chunk.position)
        self.write(chunk.replicas.index)
        self.write(chunk.replicas.replicas)
        self.write(chunk.offset)
        self.write(chunk.stamp)
        self.write(bytes: chunk.bytes)
    }

    private mutating func write(_ response: SnapshotResponse) {
        self.write(response.isInstalled)
        self.write(response.position)
        self.write(response.next)
        self.write(response.stamp)
    }

    private mutating func write(_ sleep: Sleep) {
        self.write(sleep.index)
        self.write(sleep.stamp)
    }
}

extension WireReader {
    package mutating func raftMessage() throws(WireError) -> RaftMessage {
        let group = GroupID(try self.read())
        let incarnation = try self.groupIncarnation()
        let from = try self.replicaID()
        let to = try self.replicaID()
        let term: Term = try self.read()
        let place = self.offset
        guard let kind = RaftMessage.Kind(rawValue: try self.read()) else { throw WireError(.unknownKind, at: place) }
        let body: RaftMessage.Body =
            switch kind {
            case .voteRequest: .voteRequest(try self.voteRequest())
            case .voteResponse: .voteResponse(try self.voteResponse())
            case .append: .append(try self.append())
            case .appendResponse: .appendResponse(try self.appendResponse())
            case .snapshotChunk: .snapshotChunk(try self.snapshotChunk())
            case .snapshotResponse: .snapshotResponse(try self.snapshotResponse())
            case .timeoutNow: .timeoutNow
            case .sleep: .sleep(try self.sleep())
            case .sleepResponse: .sleepResponse(try self.sleep())
            }
        try self.end()
        return RaftMessage(group: group, incarnation: incarnation, from: from, to: to, term: term, body: body)
    }

    mutating func groupIncarnation() throws(WireError) -> GroupIncarnation {
        GroupIncarnation(counter: try self.read(), id: try self.read())
    }

    mutating func logPosition() throws(WireError) -> LogPosition {
        LogPosition(index: try self.read(), term: try self.read())
    }

    mutating func instant() throws(WireError) -> Instant { Instant(nanoseconds: try self.read()) }

    /// A byte of which only the lowest `count` bits may be set.
    mutating func flags(_ count: UInt8) throws(WireError) -> UInt8 {
        let place = self.offset
        let byte: UInt8 = try self.read()
        guard byte < 1 << count else { throw WireError(.invalidValue, at: place) }
        return byte
    }

    private mutating func voteRequest() throws(WireError) -> VoteRequest {
        let flags = try self.flags(2)
        return VoteRequest(
            isPreVote: flags & 1 != 0, isTransfer: flags & 2 != 0, term: try self.read(),
            last: try self.logPosition(), round: try self.read(), vouchedLife: try self.read())
    }

    private mutating func voteResponse() throws(WireError) -> VoteResponse {
        let flags = try self.flags(2)
        return VoteResponse(
            isPreVote: flags & 1 != 0, isGranted: flags & 2 != 0, term: try self.read(), round: try self.read(),
            shortLife: try self.read())
    }

    private mutating func append() throws(WireError) -> Append {
        var append = Append(
            previous: try self.logPosition(), commit: try self.read(), stamp: try self.instant(),
            acknowledged: try self.read(), heldByAll: try self.read(), entries: [])
        let place = self.offset
        let count = Int(try self.read(UInt16.self))
        guard count <= Append.entriesMax else { throw WireError(.tooLong, at: place) }
        for offset in 0..<UInt64(count) {
            let place = self.offset
            let term: Term = try self.read()
            guard let kind = LogEntry.Kind(rawValue: try self.read()) else { throw WireError(.invalidValue, at: place) }
            append.entries.append(
                LogEntry(
                    index: append.previous.index &+ offset &+ 1, term: term, kind: kind,
                    payload: try self.bytes(limit: LogEntry.payloadBytesMax)))
        }
        return append
    }

    private mutating func appendResponse() throws(WireError) -> AppendResponse {
        let isShort = try self.flags(1) != 0
        let stamp = try self.instant()
        let applied: LogIndex = try self.read()
        let place = self.offset
        let outcome: AppendResponse.Outcome =
            switch try self.read(UInt8.self) {
            case 0: .matched(try self.read())
            case 1: .conflict(rejected: try self.read(), hint: try self.logPosition())
            default: throw WireError(.invalidValue, at: place)
            }
        return AppendResponse(outcome: outcome, stamp: stamp, applied: applied, isShort: isShort)
    }

    private mutating func snapshotChunk() throws(WireError) -> SnapshotChunk {
        let isLast = try self.flags(1) != 0
        let position = try self.logPosition()
        let replicas = ReplicaHistory.Version(index: try self.read(), replicas: try self.replicaSet())
        return SnapshotChunk(
            position: position, replicas: replicas, offset: try self.read(), isLast: isLast,
            stamp: try self.instant(), bytes: try self.bytes(limit: SnapshotChunk.bytesMax))
    }

    private mutating func snapshotResponse() throws(WireError) -> SnapshotResponse {
        let isInstalled = try self.flags(1) != 0
        return SnapshotResponse(
            position: try self.logPosition(), next: try self.read(), isInstalled: isInstalled,
            stamp: try self.instant())
    }

    private mutating func sleep() throws(WireError) -> Sleep {
        Sleep(index: try self.read(), stamp: try self.instant())
    }
}

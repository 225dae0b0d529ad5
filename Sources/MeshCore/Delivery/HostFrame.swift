/// What the leader of a partition and a host of its activations say to each other, on two nodes.
///
/// Any of it may get lost: a leader asks again for a place that it hears nothing of, and for a turn (`check`); a host keeps its
/// last report until the next order.
package enum HostFrame: Hashable, Sendable {
    // To a host.
    case place(PlacementQuery)
    /// A part of the actor's state, ahead of the first order; it may be larger than a frame.
    case state(ActivationID, ActorPath, [StorageEntry])
    /// `keys`: with how many keys of state that were sent ahead; nil if the host has the state.
    case run(TurnOrder, keys: Int?)
    case check(ActivationID, ActorPath, order: UInt64)
    case release(ActivationID, ActorPath)

    // To a leader.
    /// The question was heard; to start a program may take long.
    case starting(ActivationID, ActorPath)
    case placed(ActivationID, ActorPath, PartitionRequest.Placed)
    case report(TurnReport)
    case renewed(ActivationID)
    case missing(ActivationID, order: UInt64)
    case disowned(ActivationID)

    /// Of the keys and values in one frame; a single one may be larger.
    private static let stateBytesMax = 512 << 10
    static let stateKeysMax = 4_096
    static let reasonBytesMax = 8 << 10

    /// What brings an order to another node: its state first, in pieces.
    package static func frames(for order: TurnOrder) -> [HostFrame] {
        guard let state = order.state else { return [.run(order, keys: nil)] }
        var frames: [HostFrame] = []
        var piece: [StorageEntry] = []
        var bytes = 0
        for entry in state {
            let size = entry.key.count + entry.value.count
            if !piece.isEmpty, bytes + size > Self.stateBytesMax {
                frames.append(.state(order.activation, order.path, piece))
                (piece, bytes) = ([], 0)
            }
            piece.append(entry)
            bytes += size
        }
        if !piece.isEmpty { frames.append(.state(order.activation, order.path, piece)) }
        var order = order
        order.state = nil
        return frames + [.run(order, keys: state.count)]
    }

    /// A result that no frame takes is the failure of its turn. The leader would refuse it, too, for all but its size.
    package static func report(of report: TurnReport) -> HostFrame {
        guard case .finished(let result) = report.end, !result.fitsInFrame else { return .report(report) }
        let error = MeshError(
            .handlerFailed, "a turn replied, changed and sent more than one node can tell another at once",
            hint: "reply less, or change less in one turn", accepted: .yes)
        return .report(TurnReport(report.activation, number: report.number, .failed(.invalidResult, error)))
    }
}

extension TurnResult {
    /// Less than a frame, for what stands beside the bytes.
    private static let frameBytesMax = PeerFrame.bytesMax - (256 << 10)

    fileprivate var fitsInFrame: Bool {
        guard self.changes.count <= Turn.changesMax, self.letters.count <= Turn.outboxMax,
            self.timers.count <= Turn.timersMax, self.events.count <= Turn.eventsMax
        else { return false }
        var bytes = self.reply.count
        for change in self.changes { bytes += change.key.count + (change.value?.count ?? 0) }
        for letter in self.letters { bytes += letter.envelope.message.byteCount }
        for case .set(_, _, _, let body) in self.timers { bytes += body.count }
        for event in self.events { bytes += event.count }
        return bytes <= Self.frameBytesMax
    }
}

// The partition, the kind, and what belongs to it.
extension HostFrame {
    package func encoded(of partition: Partition) -> [UInt8] {
        var writer = WireWriter()
        writer.write(partition.index)
        switch self {
        case .place(let query):
            writer.write(1 as UInt8)
            writer.write(query.id)
            writer.write(query.path)
            writer.write(query.revision)
            writer.write((query.holder == nil ? 0 : 1) as UInt8)
            if let holder = query.holder { writer.write(holder) }
        case .state(let id, let path, let entries):
            writer.write(2 as UInt8)
            writer.write(id)
            writer.write(path)
            writer.write(UInt16(entries.count))
            for entry in entries {
                writer.write(bytes: entry.key)
                writer.write(bytes: entry.value)
            }
        case .run(let order, let keys):
            writer.bytes.reserveCapacity(order.envelope.message.byteCount + 256)
            writer.write(3 as UInt8)
            writer.write(order)
            writer.write(optional: keys.map { UInt64($0) })
        case .check(let id, let path, let order):
            writer.write(4 as UInt8)
            writer.write(id)
            writer.write(path)
            writer.write(order)
        case .release(let id, let path):
            writer.write(5 as UInt8)
            writer.write(id)
            writer.write(path)
        case .starting(let id, let path):
            writer.write(6 as UInt8)
            writer.write(id)
            writer.write(path)
        case .placed(let id, let path, let placed):
            writer.write(7 as UInt8)
            writer.write(id)
            writer.write(path)
            writer.write(placed)
        case .report(let report):
            writer.write(8 as UInt8)
            writer.write(report)
        case .renewed(let id):
            writer.write(9 as UInt8)
            writer.write(id)
        case .missing(let id, let order):
            writer.write(10 as UInt8)
            writer.write(id)
            writer.write(order)
        case .disowned(let id):
            writer.write(11 as UInt8)
            writer.write(id)
        }
        return writer.bytes
    }

    package static func decode(_ bytes: [UInt8]) throws(WireError) -> (Partition, HostFrame) {
        var reader = WireReader(bytes.raw)
        let partition = Partition(index: try reader.read())
        let frame = try reader.hostFrame()
        try reader.end()
        return (partition, frame)
    }
}

extension WireWriter {
    fileprivate mutating func write(_ id: ActivationID) {
        self.write(id.term)
        self.write(id.number)
    }

    fileprivate mutating func write(_ host: Host) {
        self.write(host.node)
        self.write(host.boot)
    }

    fileprivate mutating func write(_ order: TurnOrder) {
        self.write(order.activation)
        self.write(order.path)
        self.write(order.number)
        self.write(order.version)
        self.write((order.isEphemeral ? 1 : 0) | (order.isCommitted ? 2 : 0) as UInt8)
        self.write(UInt64(clamping: order.limit.nanoseconds / 1_000_000))
        self.write(order.envelope)
    }

    fileprivate mutating func write(_ placed: PartitionRequest.Placed) {
        let limit = HostFrame.reasonBytesMax
        switch placed {
        case .at(let host, let because):
            self.write(1 as UInt8)
            self.write(host)
            self.write(text: clipped(because, toBytes: limit))
        case .nowhere(let missing):
            self.write(2 as UInt8)
            self.write(text: clipped(missing, toBytes: limit))
        case .unstartable(let reason):
            self.write(3 as UInt8)
            self.write(text: clipped(reason, toBytes: limit))
        }
    }

    fileprivate mutating func write(_ report: TurnReport) {
        self.write(report.activation)
        self.write(report.number)
        switch report.end {
        case .finished(let result):
            self.write(1 as UInt8)
            self.write(bytes: result.reply)
            self.write(UInt32(clamping: result.keys))
            self.write(changes: result.changes)
            self.write(UInt16(result.letters.count))
            for letter in result.letters { self.write(letter) }
            self.write(timers: result.timers)
            self.write(UInt16(result.events.count))
            for event in result.events { self.write(bytes: event) }
        case .failed(let failure, let error):
            self.write(2 as UInt8)
            self.write(shortText: clipped(failure.description, toBytes: Int(UInt8.max)))
            Outcome.failed(error).write(to: &self)
        case .wantsCommit: self.write(3 as UInt8)
        case .notBegun: self.write(4 as UInt8)
        }
    }
}

extension WireReader {
    fileprivate mutating func hostFrame() throws(WireError) -> HostFrame {
        let start = self.offset
        switch try self.read(UInt8.self) {
        case 1:
            let (id, path) = (try self.activationID(), try self.actorPath())
            let revision = try self.read(UInt64.self)
            let holder = try self.flag() ? try self.host() : nil
            return .place(PlacementQuery(id: id, path: path, holder: holder, revision: revision))
        case 2:
            let (id, path) = (try self.activationID(), try self.actorPath())
            var entries: [StorageEntry] = []
            for _ in 0..<(try self.count(limit: HostFrame.stateKeysMax)) {
                entries.append(
                    StorageEntry(
                        key: try self.bytes(limit: StateChange.keyBytesMax),
                        value: try self.bytes(limit: StateChange.valueBytesMax)))
            }
            return .state(id, path, entries)
        case 3:
            let order = try self.turnOrder()
            let keysAt = self.offset
            let keys = try self.optional()
            guard keys ?? 0 <= UInt64(HostFrame.stateKeysMax) else { throw WireError(.tooLong, at: keysAt) }
            return .run(order, keys: keys.map { Int($0) })
        case 4:
            let (id, path) = (try self.activationID(), try self.actorPath())
            return .check(id, path, order: try self.read())
        case 5: return .release(try self.activationID(), try self.actorPath())
        case 6: return .starting(try self.activationID(), try self.actorPath())
        case 7:
            let (id, path) = (try self.activationID(), try self.actorPath())
            return .placed(id, path, try self.placed())
        case 8: return .report(try self.turnReport())
        case 9: return .renewed(try self.activationID())
        case 10: return .missing(try self.activationID(), order: try self.read())
        case 11: return .disowned(try self.activationID())
        default: throw WireError(.unknownKind, at: start)
        }
    }

    private mutating func activationID() throws(WireError) -> ActivationID {
        ActivationID(term: try self.read(), number: try self.read())
    }

    private mutating func host() throws(WireError) -> Host { Host(node: try self.nodeID(), boot: try self.read()) }

    private mutating func turnOrder() throws(WireError) -> TurnOrder {
        let (id, path) = (try self.activationID(), try self.actorPath())
        let number = try self.read(UInt64.self)
        let version = try self.read(UInt64.self)
        let flagsAt = self.offset
        let flags = try self.read(UInt8.self)
        guard flags & ~3 == 0 else { throw WireError(.invalidValue, at: flagsAt) }
        // A limit of years is as good as one of a year, and does not overflow.
        let limit = Duration.milliseconds(Int64(min(try self.read(UInt64.self), 1 << 35)))
        return TurnOrder(
            activation: id, path: path, number: number, envelope: try self.envelope(), version: version,
            isEphemeral: flags & 1 != 0, isCommitted: flags & 2 != 0, state: nil, limit: limit)
    }

    private mutating func placed() throws(WireError) -> PartitionRequest.Placed {
        let start = self.offset
        let limit = HostFrame.reasonBytesMax
        switch try self.read(UInt8.self) {
        case 1: return .at(try self.host(), because: try self.text(limit: limit))
        case 2: return .nowhere(missing: try self.text(limit: limit))
        case 3: return .unstartable(try self.text(limit: limit))
        default: throw WireError(.unknownKind, at: start)
        }
    }

    private mutating func turnReport() throws(WireError) -> TurnReport {
        let id = try self.activationID()
        let number = try self.read(UInt64.self)
        let start = self.offset
        switch try self.read(UInt8.self) {
        case 1:
            var result = TurnResult(reply: try self.bytes(limit: Message.bodyBytesMax))
            result.keys = Int(try self.read(UInt32.self))
            result.changes = try self.stateChanges()
            for _ in 0..<(try self.count(limit: Turn.outboxMax)) { result.letters.append(try self.letter()) }
            result.timers = try self.timerChanges()
            for _ in 0..<(try self.count(limit: Turn.eventsMax)) {
                result.events.append(try self.bytes(limit: Message.bodyBytesMax))
            }
            return TurnReport(id, number: number, .finished(result))
        case 2:
            let failure = FailureType(try self.shortText())
            let place = self.offset
            guard case .failed(let error) = try Outcome.read(from: &self) else {
                throw WireError(.invalidValue, at: place)
            }
            return TurnReport(id, number: number, .failed(failure, error))
        case 3: return TurnReport(id, number: number, .wantsCommit)
        case 4: return TurnReport(id, number: number, .notBegun)
        default: throw WireError(.unknownKind, at: start)
        }
    }
}

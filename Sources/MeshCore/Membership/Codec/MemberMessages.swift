/// What nodes believe of incarnations: one member's slip must not use up the numbers another has to refute with.
package enum Incarnation {
    /// No boot gets there by honest changes.
    package static let highest: UInt32 = 1 << 31
    /// Nobody misses so many changes of one boot.
    package static let stepMax: UInt32 = 1 << 20

    /// Whether what is said next of a boot can follow what is known of it.
    static func isPlausible(_ next: UInt32, after known: UInt32) -> Bool {
        next <= known || next - known <= self.stepMax
    }

    static func after(_ known: UInt32) -> UInt32 { min(known + 1, self.highest) }
}

extension WireReader {
    fileprivate mutating func incarnation() throws(WireError) -> UInt32 {
        let place = self.offset
        let incarnation: UInt32 = try self.read()
        guard incarnation <= Incarnation.highest else { throw WireError(.invalidValue, at: place) }
        return incarnation
    }
}

/// What a member says of itself: who and where it is. Its labels follow, still encoded.
package struct AliveMessage: Hashable, Sendable {
    package static let byteCountBeforeLabels = 1 + 16 + 8 + 8 + 4 + 18 + 2 + 2

    package var id: NodeID
    package var boot: Boot
    package var incarnation: UInt32
    package var endpoint: Endpoint
    package var protocols: ClosedRange<UInt8>
    package var labelBytes: Int

    var rank: Rank { Rank(epoch: self.boot.epoch, incarnation: self.incarnation, state: .alive) }
}

/// What is said of a member that is not well: suspect, dead, or gone by its own word.
package struct Claim: Hashable, Sendable {
    /// The largest of the three kinds.
    package static let byteCountMax = 1 + 16 + 8 + 4 + 16 + 1

    /// Not `alive`.
    package var state: MemberState
    package var id: NodeID
    package var epoch: UInt64
    package var incarnation: UInt32
    /// Who says so; of `left`, the member itself.
    package var accuser: NodeID
    /// Its process is gone while its host answers.
    package var hardEvidence: Bool

    package init(
        state: MemberState, id: NodeID, epoch: UInt64, incarnation: UInt32, accuser: NodeID, hardEvidence: Bool = false
    ) {
        self.state = state
        self.id = id
        self.epoch = epoch
        self.incarnation = incarnation
        self.accuser = accuser
        self.hardEvidence = hardEvidence
    }

    var rank: Rank { Rank(epoch: self.epoch, incarnation: self.incarnation, state: self.state) }

    package static func byteCount(_ state: MemberState) -> Int { state == .left ? 1 + 16 + 8 + 4 : self.byteCountMax }
}

extension WireReader {
    /// The fixed part; the caller reads or skips `labelBytes` more.
    package mutating func alive() throws(WireError) -> AliveMessage {
        let id = try self.nodeID()
        let boot = Boot(epoch: try self.read(), nonce: try self.read())
        let incarnation = try self.incarnation()
        let endpoint = try self.endpoint()
        let place = self.offset
        let (low, high): (UInt8, UInt8) = (try self.read(), try self.read())
        guard low <= high, low > 0, 1...Boot.epochMax ~= boot.epoch else { throw WireError(.invalidValue, at: place) }
        let labelBytes = Int(try self.read(UInt16.self))
        guard labelBytes <= MemberDescription.labelBytesMax else { throw WireError(.tooLong, at: place + 2) }
        return AliveMessage(
            id: id, boot: boot, incarnation: incarnation, endpoint: endpoint, protocols: low...high,
            labelBytes: labelBytes)
    }

    package mutating func claim(_ kind: MessageKind) throws(WireError) -> Claim {
        let (id, epoch, incarnation) = (try self.nodeID(), try self.read(UInt64.self), try self.incarnation())
        guard kind != .left else {
            return Claim(state: .left, id: id, epoch: epoch, incarnation: incarnation, accuser: id)
        }
        let accuser = try self.nodeID()
        let place = self.offset
        let flags: UInt8 = try self.read()
        guard flags <= 1 else { throw WireError(.invalidValue, at: place) }
        return Claim(
            state: kind == .dead ? .dead : .suspect, id: id, epoch: epoch, incarnation: incarnation, accuser: accuser,
            hardEvidence: flags == 1)
    }
}

extension WireWriter {
    mutating func write(alive index: Int, of table: MemberTable) {
        let record = table[index]
        self.write(MessageKind.alive)
        self.write(record.id)
        self.write(record.boot.epoch)
        self.write(record.boot.nonce)
        self.write(record.incarnation)
        self.write(record.endpoint)
        self.write(record.protocolMin)
        self.write(record.protocolMax)
        self.write(UInt16(record.labels.count))
        self.bytes.append(contentsOf: table.labels(of: index))
    }

    package mutating func write(_ claim: Claim) {
        switch claim.state {
        case .suspect: self.write(MessageKind.suspect)
        case .dead: self.write(MessageKind.dead)
        case .left: self.write(MessageKind.left)
        case .alive: preconditionFailure("alive is no claim")
        }
        self.write(claim.id)
        self.write(claim.epoch)
        self.write(claim.incarnation)
        guard claim.state != .left else { return }
        self.write(claim.accuser)
        self.write(UInt8(claim.hardEvidence ? 1 : 0))
    }
}

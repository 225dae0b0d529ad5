// The encoding of a turn and of its parts.

extension WireWriter {
    mutating func write(_ grant: Grant) {
        self.write(grant.host)
        self.write(grant.boot)
        self.write(optional: grant.expects)
        self.write(optional: grant.head?.rawValue)
    }

    mutating func write(_ turn: Turn) {
        self.write(turn.path)
        self.write(turn.fence)
        self.write(turn.number)
        self.write(turn.basis)
        self.write(UInt16(turn.consumed.count))
        for consumption in turn.consumed { self.write(consumption) }
        self.write(changes: turn.changes)
        self.write(turn.outbox)
        self.write(timers: turn.timers)
        self.write(UInt16(turn.events.count))
        for event in turn.events { self.write(bytes: event) }
    }

    mutating func write(changes: [StateChange]) {
        self.write(UInt16(changes.count))
        for change in changes {
            self.write(text: change.key)
            self.write((change.value == nil ? 0 : 1) as UInt8)
            if let value = change.value { self.write(bytes: value) }
        }
    }

    mutating func write(timers: [TimerChange]) {
        self.write(UInt16(timers.count))
        for timer in timers { self.write(timer) }
    }

    private mutating func write(_ fence: Turn.Fence) {
        switch fence {
        case .token(let token):
            self.write(1 as UInt8)
            self.write(token)
        case .granted(let grant):
            self.write(2 as UInt8)
            self.write(grant)
        case .thisEntry: self.write(3 as UInt8)
        }
    }

    private mutating func write(_ basis: Turn.Basis) {
        switch basis {
        case .version(let version):
            self.write(1 as UInt8)
            self.write(version)
        case .reads(let reads):
            self.write(2 as UInt8)
            self.write(UInt16(reads.count))
            for read in reads {
                self.write(text: read.key)
                self.write(read.version)
            }
        }
    }

    mutating func write(_ consumption: Consumption) {
        self.write(consumption.offset.rawValue)
        self.write(consumption.byteCount)
        self.write(consumption.id)
        self.write(optional: consumption.key)
        self.write(consumption.outcome)
    }

    private mutating func write(_ change: TimerChange) {
        switch change {
        case .set(let name, let due, let schedule, let body):
            self.write(1 as UInt8)
            self.write(shortText: name)
            self.write(due)
            self.write(shortText: schedule)
            self.write(bytes: body)
        case .cancel(let name):
            self.write(2 as UInt8)
            self.write(shortText: name)
        }
    }

    mutating func write(_ letters: [OutgoingLetter]) {
        self.write(UInt16(letters.count))
        for letter in letters {
            self.write(letter.destination.index)
            self.write(letter.letter)
        }
    }

    mutating func write(_ timer: TimerID) {
        switch timer {
        case .named(let name):
            self.write(1 as UInt8)
            self.write(shortText: name)
        case .delayed(let id):
            self.write(2 as UInt8)
            self.write(id)
        }
    }

    mutating func write(_ outcome: Outcome?) {
        self.write((outcome == nil ? 0 : 1) as UInt8)
        outcome?.write(to: &self)
    }

    mutating func write(optional token: FencingToken?) {
        self.write((token == nil ? 0 : 1) as UInt8)
        if let token { self.write(token) }
    }

    mutating func write(optional fingerprint: Fingerprint?) {
        self.write((fingerprint == nil ? 0 : 1) as UInt8)
        if let fingerprint { self.write(fingerprint) }
    }

    /// A key of an actor's state, behind a 16-bit length.
    private mutating func write(text key: [UInt8]) {
        self.write(UInt16(key.count))
        self.bytes.append(contentsOf: key)
    }
}

extension WireReader {
    mutating func grant() throws(WireError) -> Grant {
        let host = try self.nodeID()
        let boot = try self.read(UInt64.self)
        let expects = try self.flag() ? try self.fencingToken() : nil
        let head = try self.flag() ? try self.mailboxOffset() : nil
        return Grant(host: host, boot: boot, expects: expects, head: head)
    }

    mutating func turn() throws(WireError) -> Turn {
        var turn = Turn(path: try self.actorPath(), fence: try self.fence(), number: 0, basis: .version(0))
        let start = self.offset
        turn.number = try self.read()
        guard turn.number > 0 else { throw WireError(.invalidValue, at: start) }
        turn.basis = try self.basis()
        for _ in 0..<(try self.count(limit: Turn.consumedMax)) { turn.consumed.append(try self.consumption()) }
        turn.changes = try self.stateChanges()
        turn.outbox = try self.outgoingLetters()
        turn.timers = try self.timerChanges()
        for _ in 0..<(try self.count(limit: Turn.eventsMax)) {
            turn.events.append(try self.bytes(limit: Message.bodyBytesMax))
        }
        return turn
    }

    mutating func stateChanges() throws(WireError) -> [StateChange] {
        var changes: [StateChange] = []
        for _ in 0..<(try self.count(limit: Turn.changesMax)) {
            let key = try self.stateKey()
            let value = try self.flag() ? try self.bytes(limit: StateChange.valueBytesMax) : nil
            changes.append(StateChange(key: key, value: value))
        }
        return changes
    }

    mutating func timerChanges() throws(WireError) -> [TimerChange] {
        var changes: [TimerChange] = []
        for _ in 0..<(try self.count(limit: Turn.timersMax)) { changes.append(try self.timerChange()) }
        return changes
    }

    private mutating func fence() throws(WireError) -> Turn.Fence {
        let start = self.offset
        switch try self.read(UInt8.self) {
        case 1: return .token(try self.fencingToken())
        case 2: return .granted(try self.grant())
        case 3: return .thisEntry
        default: throw WireError(.unknownKind, at: start)
        }
    }

    private mutating func basis() throws(WireError) -> Turn.Basis {
        let start = self.offset
        switch try self.read(UInt8.self) {
        case 1: return .version(try self.read())
        case 2:
            var reads: [KeyRead] = []
            for _ in 0..<(try self.count(limit: Turn.readsMax)) {
                reads.append(KeyRead(key: try self.stateKey(), version: try self.read()))
            }
            return .reads(reads)
        default: throw WireError(.unknownKind, at: start)
        }
    }

    private mutating func stateKey() throws(WireError) -> [UInt8] {
        try self.array(try self.count(limit: StateChange.keyBytesMax))
    }

    mutating func consumption() throws(WireError) -> Consumption {
        Consumption(
            offset: try self.mailboxOffset(), byteCount: try self.read(), id: try self.messageID(),
            key: try self.optionalFingerprint(), outcome: try self.optionalOutcome())
    }

    private mutating func timerChange() throws(WireError) -> TimerChange {
        let start = self.offset
        switch try self.read(UInt8.self) {
        case 1:
            return .set(
                name: try self.timerName(), due: try self.read(), schedule: try self.shortText(),
                body: try self.bytes(limit: Message.bodyBytesMax))
        case 2: return .cancel(name: try self.timerName())
        default: throw WireError(.unknownKind, at: start)
        }
    }

    private mutating func timerName() throws(WireError) -> String {
        let start = self.offset
        let name = try self.shortText()
        guard name.utf8.count <= TimerID.nameBytesMax else { throw WireError(.tooLong, at: start) }
        return name
    }

    mutating func outgoingLetters() throws(WireError) -> [OutgoingLetter] {
        var letters: [OutgoingLetter] = []
        for _ in 0..<(try self.count(limit: Turn.outboxMax)) {
            letters.append(OutgoingLetter(to: Partition(index: try self.read()), try self.letter()))
        }
        return letters
    }

    mutating func timerID() throws(WireError) -> TimerID {
        let start = self.offset
        switch try self.read(UInt8.self) {
        case 1: return .named(try self.timerName())
        case 2: return .delayed(try self.messageID())
        default: throw WireError(.unknownKind, at: start)
        }
    }

    mutating func optionalOutcome() throws(WireError) -> Outcome? {
        try self.flag() ? try Outcome.read(from: &self) : nil
    }

    mutating func optionalFingerprint() throws(WireError) -> Fingerprint? {
        try self.flag() ? try self.fingerprint() : nil
    }
}

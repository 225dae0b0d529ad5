/// What a partition knows of one actor: everything but its messages, its values and its timers.
package struct ActorRecord: Hashable, Sendable {
    /// The activation that may commit.
    package struct Holder: Hashable, Sendable {
        package var token: FencingToken
        package var host: NodeID
        package var boot: UInt64
        /// A turn under it was refused: it builds on what did not happen, and may commit nothing more.
        package var hasEnded = false
        var turns = TurnWindow()
    }

    /// A message that was tried and is still here.
    package struct Trial: Hashable, Sendable {
        package var offset: MailboxOffset
        /// Grants for it since a turn of the actor was applied.
        package var grants: UInt8 = 0
        package var failures: UInt16 = 0
        /// Wall clock before which it is not tried again, in milliseconds since 1970; 0 is at once.
        package var retryAt: UInt64 = 0
    }

    /// How many turns were applied.
    package internal(set) var version: UInt64 = 0
    package internal(set) var holder: Holder?
    /// By priority; those that were never used are not there.
    package private(set) var lanes: [MailboxLane] = []
    /// By offset.
    package private(set) var trials: [Trial] = []
    package internal(set) var timerCount: UInt32 = 0

    package init() {}

    /// Waiting messages.
    package var count: UInt64 { self.lanes.reduce(0) { $0 + $1.count } }
    package var byteCount: UInt64 { self.lanes.reduce(0) { $0 + $1.byteCount } }
    package var isBusy: Bool { self.lanes.contains { !$0.isEmpty } }
    /// The token that a new grant has to expect.
    package var token: FencingToken? { self.holder?.token }
    /// What waits at the head of the mailbox, whether or not its time has come.
    package var first: MailboxOffset? { self.lanes.lazy.compactMap(\.first).first }

    package func contains(_ offset: MailboxOffset) -> Bool {
        self.lanes.first { $0.priority == offset.priority }?.contains(offset.number) ?? false
    }

    /// The first waiting message that is not before `offset`.
    package func first(from offset: MailboxOffset) -> MailboxOffset? {
        for lane in self.lanes {
            guard let priority = offset.priority, lane.priority >= priority else { continue }
            let number = lane.priority == priority ? offset.number : 0
            if let found = lane.first(from: number) { return MailboxOffset(lane.priority, found) }
        }
        return nil
    }

    package func trial(of offset: MailboxOffset) -> Trial? { self.trials.first { $0.offset == offset } }

    // MARK: Messages

    /// `floor` is where the numbers of a new lane begin.
    mutating func append(_ priority: Envelope.Priority, byteCount: Int, floor: UInt64) -> MailboxOffset {
        if let place = self.lanes.firstIndex(where: { $0.priority == priority }) {
            return self.lanes[place].append(byteCount: byteCount)
        }
        let place = self.lanes.firstIndex { $0.priority > priority } ?? self.lanes.count
        self.lanes.insert(MailboxLane(priority, from: floor), at: place)
        return self.lanes[place].append(byteCount: byteCount)
    }

    /// False if it does not wait, and then nothing has changed.
    mutating func consume(_ offset: MailboxOffset, byteCount: UInt32) -> Bool {
        guard let place = self.lanes.firstIndex(where: { $0.priority == offset.priority }) else { return false }
        guard self.lanes[place].consume(offset.number, byteCount: byteCount) else { return false }
        self.trials.removeAll { $0.offset == offset }
        return true
    }

    // MARK: Trials

    /// Changes what is known of the attempts at a message; false if too many other messages wait for another.
    mutating func tried(_ offset: MailboxOffset, limit: Int, _ change: (inout Trial) -> Void) -> Bool {
        if let place = self.trials.firstIndex(where: { $0.offset == offset }) {
            change(&self.trials[place])
            return true
        }
        guard self.trials.count < limit else { return false }
        let place = self.trials.firstIndex { $0.offset > offset } ?? self.trials.count
        var trial = Trial(offset: offset)
        change(&trial)
        self.trials.insert(trial, at: place)
        return true
    }

    /// A turn was applied: no message kills every host. What was only granted, and did not fail, is as good as untried.
    mutating func forgetGrants() {
        guard self.trials.contains(where: { $0.grants > 0 }) else { return }
        for place in self.trials.indices { self.trials[place].grants = 0 }
        self.trials.removeAll { $0.failures == 0 }
    }
}

/// Which turns of one token were applied: the highest number, and the 64 up to it. What is older counts as applied.
package struct TurnWindow: Hashable, Sendable {
    package static let width: UInt64 = 64

    package private(set) var highest: UInt64 = 0
    /// Bit n: `highest - n` was applied.
    private var seen: UInt64 = 0

    package init() {}

    package func isFresh(_ number: UInt64) -> Bool {
        if number > self.highest { return true }
        let age = self.highest - number
        return age < Self.width && self.seen & (1 << age) == 0
    }

    mutating func insert(_ number: UInt64) {
        if number > self.highest {
            let shift = number - self.highest
            self.seen = (shift < Self.width ? self.seen << shift : 0) | 1
            self.highest = number
        } else if self.highest - number < Self.width {
            self.seen |= 1 << (self.highest - number)
        }
    }
}

// Version, number of turns, timers, holder, lanes, trials.
extension ActorRecord {
    private static let formatVersion: UInt8 = 1

    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.bytes.reserveCapacity(128)
        writer.write(Self.formatVersion)
        writer.write(self.version)
        writer.write(self.timerCount)
        writer.write((self.holder == nil ? 0 : 1) as UInt8)
        if let holder = self.holder { writer.write(holder) }
        writer.write(UInt8(self.lanes.count))
        for lane in self.lanes { writer.write(lane) }
        writer.write(UInt8(self.trials.count))
        for trial in self.trials {
            writer.write(trial.offset.rawValue)
            writer.write(trial.grants)
            writer.write(trial.failures)
            writer.write(trial.retryAt)
        }
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        guard try reader.read(UInt8.self) == Self.formatVersion else { throw WireError(.unsupportedVersion, at: 0) }
        self.version = try reader.read()
        self.timerCount = try reader.read()
        self.holder = try reader.flag() ? try reader.holder() : nil
        for _ in 0..<(try reader.read(UInt8.self)) {
            let start = reader.offset
            let lane = try reader.lane()
            if let last = self.lanes.last, last.priority >= lane.priority { throw WireError(.invalidValue, at: start) }
            self.lanes.append(lane)
        }
        for _ in 0..<(try reader.read(UInt8.self)) {
            let start = reader.offset
            let trial = Trial(
                offset: try reader.mailboxOffset(), grants: try reader.read(), failures: try reader.read(),
                retryAt: try reader.read())
            guard self.trials.last.map({ $0.offset < trial.offset }) ?? true, self.contains(trial.offset) else {
                throw WireError(.invalidValue, at: start)
            }
            self.trials.append(trial)
        }
        try reader.end()
    }
}

extension WireWriter {
    fileprivate mutating func write(_ holder: ActorRecord.Holder) {
        self.write(holder.token)
        self.write(holder.host)
        self.write(holder.boot)
        self.write((holder.hasEnded ? 1 : 0) as UInt8)
        holder.turns.write(to: &self)
    }
}

extension WireReader {
    fileprivate mutating func holder() throws(WireError) -> ActorRecord.Holder {
        var holder = ActorRecord.Holder(token: try self.fencingToken(), host: try self.nodeID(), boot: try self.read())
        holder.hasEnded = try self.flag()
        holder.turns = try TurnWindow.read(from: &self)
        return holder
    }
}

extension TurnWindow {
    fileprivate func write(to writer: inout WireWriter) {
        writer.write(self.highest)
        writer.write(self.seen)
    }

    fileprivate static func read(from reader: inout WireReader) throws(WireError) -> TurnWindow {
        var window = TurnWindow()
        window.highest = try reader.read()
        window.seen = try reader.read()
        return window
    }
}

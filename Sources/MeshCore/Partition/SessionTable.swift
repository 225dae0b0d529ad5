internal import HeapModule

/// Clients' sessions (Ongaro 2014, §6.3): the highest request of each that was applied.
///
/// A session is forgotten by its last use in log time, in the order of (last use, id), a few with each entry. So the order,
/// and with it the state, does not depend on when this replica was started: the heap may hold older uses than the true
/// ones, but whatever it gives up first with the true one is the least recently used.
struct SessionTable: Sendable {
    struct Session: Hashable, Sendable {
        var lastUsed: UInt64
        /// The highest request that was applied or refused for good; those below it were too, for numbers have no gaps.
        var highest: UInt64
    }

    private struct Use: Comparable, Sendable {
        var at: UInt64
        var session: SessionID

        static func < (left: Use, right: Use) -> Bool { (left.at, left.session) < (right.at, right.session) }
    }

    private var sessions: [SessionID: Session] = [:]
    private var uses = Heap<Use>()

    var count: Int { self.sessions.count }

    subscript(id: SessionID) -> Session? { self.sessions[id] }

    mutating func open(_ id: SessionID, _ session: Session) {
        precondition(self.sessions.updateValue(session, forKey: id) == nil, "session \(id) was opened twice")
        self.uses.insert(Use(at: session.lastUsed, session: id))
    }

    mutating func use(_ id: SessionID, at logTime: UInt64, highest: UInt64) {
        precondition(self.sessions[id] != nil, "session \(id) is not open")
        self.sessions[id] = Session(lastUsed: logTime, highest: highest)
    }

    /// Removes up to `limit` sessions that were not used since `logTime`, the least recently used first.
    mutating func expire(unusedSince logTime: UInt64, limit: Int) -> [SessionID] {
        var expired: [SessionID] = []
        while expired.count < limit, let use = self.uses.min, use.at < logTime {
            guard let session = self.sessions[use.session] else { preconditionFailure("\(use.session) has gone") }
            if session.lastUsed > use.at {
                self.uses.replaceMin(with: Use(at: session.lastUsed, session: use.session))
            } else {
                self.uses.removeMin()
                self.sessions[use.session] = nil
                expired.append(use.session)
            }
        }
        return expired
    }
}

extension SessionTable.Session {
    func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(self.lastUsed)
        writer.write(self.highest)
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        self.lastUsed = try reader.read()
        self.highest = try reader.read()
        try reader.end()
    }
}

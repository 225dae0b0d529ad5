internal import MeshCore

/// Log Matching, Leader Completeness and State Machine Safety of one group.
struct LogSafety: Sendable {
    static let matchingName = "log matching"
    static let completenessName = "leader completeness"
    static let machineName = "committed prefixes are equal"
    static let stateName = "equal states at equal indices"

    private struct Written: Sendable {
        var before: Term
        var content: UInt64
    }

    private struct Committed: Sendable {
        var term: Term
        var content: UInt64
        /// The term in which it was committed, or a later one.
        var committedIn: Term
        var state: UInt64?
    }

    /// Every entry ever written, by index and term: what follows from the same place is the same.
    private var written: [LogPosition: Written] = [:]
    /// From index 1.
    private var committed: [Committed] = []

    private static func content(_ entry: LogEntry) -> UInt64 {
        var trace = Trace()
        trace.record(UInt64(entry.kind.rawValue))
        trace.record(entry.payload)
        return trace.hash
    }

    /// If two logs have an entry with the same index and term, they are identical up to it: by induction, if equal
    /// places have equal contents and the same term before them.
    mutating func wrote(_ entries: [LogEntry], after before: LogPosition?) -> String? {
        guard var before else { return "\(entries[0].position) was written after nothing" }
        for entry in entries {
            let content = Self.content(entry)
            if let known = self.written[entry.position] {
                if known.content != content { return "\(entry.position) has two contents" }
                if known.before != before.term {
                    return "\(entry.position) follows terms \(known.before) and \(before.term)"
                }
            }
            self.written[entry.position] = Written(before: before.term, content: content)
            before = entry.position
        }
        return nil
    }

    mutating func applied(_ entries: [LogEntry], in term: Term) -> String? {
        for entry in entries {
            let content = Self.content(entry)
            let place = Int(entry.index) - 1
            if place < self.committed.count {
                let known = self.committed[place]
                guard known.term == entry.term, known.content == content else {
                    return "applied \(entry.position) where another replica applied \(entry.index)@\(known.term)"
                }
                self.committed[place].committedIn = min(known.committedIn, term)
            } else {
                guard place == self.committed.count else {
                    return "applied \(entry.index) though only \(self.committed.count) entries were applied before"
                }
                self.committed.append(Committed(term: entry.term, content: content, committedIn: term))
            }
        }
        return nil
    }

    mutating func reached(_ index: LogIndex, hash: UInt64) -> String? {
        let place = Int(index) - 1
        guard self.committed.indices.contains(place) else { return nil }
        if let known = self.committed[place].state, known != hash { return "another state at index \(index)" }
        self.committed[place].state = hash
        return nil
    }

    /// What was committed in an earlier term is in the log of every later leader.
    func elected(_ raft: Raft) -> String? {
        var place = self.committed.count - 1
        while place >= 0, self.committed[place].committedIn >= raft.term { place -= 1 }
        guard place >= 0 else { return nil }
        let index = LogIndex(place + 1)
        if index < raft.log.base.index { return nil }
        guard raft.log.term(at: index) == self.committed[place].term else {
            return "\(raft.id) leads in term \(raft.term) without \(index)@\(self.committed[place].term), committed in "
                + "term \(self.committed[place].committedIn); its log ends at \(raft.log.last)"
        }
        return nil
    }
}

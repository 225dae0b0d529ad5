internal import MeshCore

/// What the second file says.
enum FoundWatermark: Sendable {
    case none
    /// It is there and does not add up.
    case unreadable(WireError)
    case mark(Watermark)

    /// Refuses the file of a newer format or of another node: whoever put it there meant something else.
    static func read(_ path: String, node: NodeID) throws(StorageError) -> FoundWatermark {
        guard let bytes = try SmallFile.read(path, limit: Watermark.bytesMax) else { return .none }
        let mark: Watermark
        do throws(Watermark.Unreadable) { mark = try Watermark(reading: bytes) } catch {
            switch error {
            case .damaged(let error): return .unreadable(error)
            case .newer:
                throw StorageError(
                    .newerFormat, operation: "read \(path)", detail: "a newer meshnode wrote it; use that one")
            }
        }
        guard mark.node == node else {
            throw StorageError(
                .wrongNode, operation: "read \(path)",
                detail:
                    "it belongs to node \(mark.node), the database to \(node); put back the files that belong together")
        }
        return .mark(mark)
    }
}

/// What was found of a group, held against the watermark.
struct JudgedGroup: Sendable {
    var group: GroupID
    var found: FoundGroup
    /// Less is there than was durable once: entries up to this index were acknowledged.
    var lost: LogIndex?
}

/// Compares what the disk holds with what it had promised to hold.
enum GroupJudgement {
    static func judge(
        _ found: [(GroupID, FoundGroup)], commits: UInt64?, against mark: FoundWatermark, in database: Database
    ) -> [JudgedGroup] {
        switch mark {
        case .none, .unreadable:
            // Nobody can say any more what was promised. A replica that acted on a vote or an entry that is gone does harm;
            // one that is careful until it has caught up does none.
            return found.map { JudgedGroup(group: $0, found: $1, lost: $1.record?.last.index) }
        case .mark(let mark):
            let isBehind = (commits ?? 0) < mark.commits
            var judged = found.map { group, found in
                self.judge(group, found, tail: mark.tails[group], isBehind: isBehind, in: database)
            }
            let present = Set(found.map(\.0))
            for group in mark.tails.keys.sorted() where !present.contains(group) {
                judged.append(JudgedGroup(group: group, found: .damaged(self.missing(group, in: database))))
            }
            return judged.sorted { $0.group < $1.group }
        }
    }

    /// The write-ahead log is lost from its end, so with all commits there, nothing is missing of any group. With fewer,
    /// those are whole whose last promise was made before.
    private static func judge(
        _ group: GroupID, _ found: FoundGroup, tail: Watermark.Tail?, isBehind: Bool, in database: Database
    ) -> JudgedGroup {
        guard isBehind else { return JudgedGroup(group: group, found: found) }
        switch found {
        case .damaged: return JudgedGroup(group: group, found: found)
        case .removed:
            // The replica that came after it is gone with its beginning.
            return JudgedGroup(
                group: group, found: tail == nil ? found : .damaged(self.missing(group, in: database)))
        case .replica(let record, _):
            guard let tail else { return JudgedGroup(group: group, found: found, lost: record.last.index) }
            guard tail.incarnation == record.incarnation, tail.id == record.id else {
                return JudgedGroup(group: group, found: .damaged(self.missing(group, in: database)))
            }
            return JudgedGroup(
                group: group, found: found, lost: tail == Watermark.Tail(record) ? nil : tail.last.index)
        }
    }

    private static func missing(_ group: GroupID, in database: Database) -> StorageError {
        database.damage(in: group, "this node held a replica of it, and it is gone")
    }
}

extension FoundGroup {
    var record: ReplicaRecord? { if case .replica(let record, _) = self { record } else { nil } }
}

internal import MeshCore
internal import Synchronization

// What people ask about partitions and the actors in them. Each node answers for the groups that it leads.
extension PartitionNode {
    /// What is in hand at the moment, for metrics.
    var reading: RuntimeReading {
        var reading = RuntimeReading(
            requests: 0, depth: 0, activations: self.hosted.count, mailboxBytes: 0)
        for lane in self.surroundings.lanes {
            let load = lane.service.load
            reading.requests += load.requests
            reading.activations += load.activations
            let (messages, bytes) = lane.driver.inspect { shard in
                shard.led.reduce(into: (0, 0)) { sum, replica in
                    sum.0 += Int(clamping: replica.state.totals.messages)
                    sum.1 += Int(clamping: replica.state.totals.messageBytes)
                }
            }
            reading.depth += messages
            reading.mailboxBytes += bytes
        }
        return reading
    }

    /// What an operator should know, one line each.
    var warnings: [String] {
        if let obstacle = self.meta.obstacle {
            let (text, mend) = self.meta.told(obstacle)
            return ["\(text): \(mend)"]
        }
        let wanted = self.replicasWanted
        let (led, short, leaderless) = self.surroundings.lanes.reduce(into: (0, 0, 0)) { sum, lane in
            let (led, short, leaderless) = lane.driver.inspect { $0.health(wanted: wanted) }
            sum = (sum.0 + led, sum.1 + short, sum.2 + leaderless)
        }
        var warnings: [String] = []
        if short > 0 {
            warnings.append(
                "\(short) of the \(led) partitions led here have fewer than \(wanted) replicas: run \(wanted) nodes or more"
            )
        }
        if leaderless > 0 {
            warnings.append(
                "\(leaderless) partitions with a replica here have no leader: start more of the nodes that hold their replicas"
            )
        }
        return warnings + self.drainWarnings
    }

    /// Lest a mark be forgotten when the work on the machine is done. Nodes without a replica of the meta group do not know.
    private var drainWarnings: [String] {
        (self.meta.metaState?.members ?? []).compactMap { member in
            guard case .draining(let reason) = member.standing else { return nil }
            return "\(member.name) is drained" + (reason.isEmpty ? "" : " (\(reason))")
                + ": 'meshnode drain --cancel \(member.name)' ends that"
        }
    }

    var status: [PartitionStatus] {
        self.surroundings.lanes.flatMap { lane in
            lane.driver.inspect { shard in
                shard.led.compactMap { replica in
                    FirstGroups.partition(of: replica.group).map { PartitionStatus(of: replica, $0) }
                }
            }
        }.sorted { $0.partition < $1.partition }
    }

    /// Actors of the partitions led here whose path begins with `prefix`: those with messages or an activation, and those that
    /// remember something.
    func list(prefix: String, node: String, limit: Int, done: @escaping @Sendable ([ActorView]) -> Void) {
        var busy: [ActorView] = []
        var groups: [GroupID] = []
        for lane in self.surroundings.lanes {
            let (views, led) = lane.driver.inspect { shard in
                (shard.led.flatMap { self.views(of: $0, prefix, node) }, shard.led.map(\.group))
            }
            busy += views
            groups += led
        }
        let gathering = Gathering(busy, groups: groups.count, limit: limit, done: done)
        guard !groups.isEmpty else { return gathering.finish() }
        let start = PartitionKeys.actorsAtRest(prefix)
        for group in groups {
            // Beside the shard: its own reads have numbers of their own, and this one changes nothing.
            let read = StateRead.range(prefix: start, start: start, limit: limit, bytesMax: 1 << 20)
            self.storage.perform([GroupJob(group, .read(0, [read]))]) { answers in
                for answer in answers {
                    guard case .read(_, let lists) = answer.result else {
                        gathering.add([])
                        continue
                    }
                    gathering.add((lists.first ?? []).compactMap { self.view(of: $0, node) })
                }
            }
        }
    }

    private func views(
        of replica: GroupReplica<PartitionLead>, _ prefix: String, _ node: String
    ) -> [ActorView] {
        Set(replica.state.busyActors + replica.lead.activePaths).filter { $0.description.hasPrefix(prefix) }.map {
            path in
            let record = replica.state.actor(path)
            let activity = replica.lead.activity(of: path)
            let state = activity?.obstacle != nil ? "failed" : activity?.isLive == true ? "active" : "idle"
            return ActorView(
                path: path.description, node: node, definition: self.definition(of: path), state: state,
                depth: Int(clamping: record?.count ?? 0), processed: record?.version ?? 0)
        }
    }

    private func view(of entry: StorageEntry, _ node: String) -> ActorView? {
        guard let path = try? ActorPath(String(decoding: entry.key.dropFirst(), as: UTF8.self)),
            let record = try? ActorRecord(decoding: entry.value)
        else { return nil }
        return ActorView(
            path: path.description, node: node, definition: self.definition(of: path), state: "idle", depth: 0,
            processed: record.version)
    }

    private func definition(of path: ActorPath) -> String { (try? self.hosted.kinds.target(of: path).name) ?? "" }
}

/// Answers of several groups to one question.
private final class Gathering: Sendable {
    private struct State: Sendable {
        var actors: [String: ActorView]
        var missing: Int
    }

    private let state: Mutex<State>
    private let limit: Int
    private let done: @Sendable ([ActorView]) -> Void

    init(_ busy: [ActorView], groups: Int, limit: Int, done: @escaping @Sendable ([ActorView]) -> Void) {
        self.state = Mutex(State(actors: Dictionary(busy.map { ($0.path, $0) }) { first, _ in first }, missing: groups))
        self.limit = limit
        self.done = done
    }

    /// What is in memory is newer than what the disk holds.
    func add(_ actors: [ActorView]) {
        let isLast = self.state.withLock { state in
            for actor in actors where state.actors[actor.path] == nil && state.actors.count < self.limit {
                state.actors[actor.path] = actor
            }
            state.missing -= 1
            return state.missing == 0
        }
        if isLast { self.finish() }
    }

    func finish() {
        let actors = self.state.withLock { $0.actors.values.sorted { $0.path < $1.path } }
        self.done(Array(actors.prefix(self.limit)))
    }
}

extension Shard where Lead == PartitionLead {
    /// Replicas that lead, in order.
    var led: [GroupReplica<PartitionLead>] {
        self.groups.compactMap { self.replicas[$0] }.filter(\.raft.isReady)
    }

    fileprivate func health(wanted: Int) -> (led: Int, short: Int, leaderless: Int) {
        let led = self.led
        return (
            led.count, led.count { $0.raft.replicas.voters.count < wanted },
            self.groups.count { self.replicas[$0]?.raft.leader == nil }
        )
    }
}

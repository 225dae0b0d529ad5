internal import MeshCore

/// The invariants of partitions that show in what they write, and in the end in what they hold.
///
/// Every replica of a group writes the same, at times of its own. Each check looks at what is written the first time that
/// anybody gets so far.
package struct PartitionChecks: Sendable {
    package private(set) var violation: Violation?

    private struct Stream: Hashable {
        var source: Int
        var destination: Int
    }

    /// Up to which index each group's writes were seen.
    private var seen: [LogIndex]
    /// By group and path.
    private var holders: [Int: [String: (token: FencingToken, host: NodeID, version: UInt64)]] = [:]
    private var outboxes: [Stream: OutboxStream] = [:]
    private var inboxes: [Stream: InboxStream] = [:]

    init(groups: Int) { self.seen = Array(repeating: 0, count: groups) }

    mutating func report(_ name: String, at now: VirtualTime, host: Int? = nil, _ text: String) {
        guard self.violation == nil else { return }
        self.violation = Violation(name, at: now, host: host, text)
    }

    // MARK: What is written

    mutating func applied(
        _ batch: StateBatch, through index: LogIndex, of group: Int, on host: Int, at now: VirtualTime
    ) {
        guard index > self.seen[group] else { return }
        self.seen[group] = index
        do throws(WireError) {
            for change in batch.changes {
                guard case .put(let key, let value) = change else { continue }
                switch try PartitionKeys.kind(of: key) {
                case .busyActor, .idleActor: try self.wrote(actor: key, value, of: group, on: host, at: now)
                case .outboxStream: try self.wrote(outbox: key, value, of: group, on: host, at: now)
                case .inboxStream: try self.wrote(inbox: key, value, of: group, on: host, at: now)
                default: break
                }
            }
        } catch { self.report("what is written can be read", at: now, host: host, "group \(group): \(error)") }
    }

    /// Tokens only rise, and as long as an actor is not forgotten so does its version.
    private mutating func wrote(
        actor key: [UInt8], _ value: [UInt8], of group: Int, on host: Int, at now: VirtualTime
    ) throws(WireError) {
        let name = String(decoding: key.dropFirst(), as: UTF8.self)
        let record = try ActorRecord(decoding: value)
        guard let holder = record.holder else { return }
        if let before = self.holders[group]?[name] {
            if holder.token < before.token {
                self.report(
                    "tokens only rise", at: now, host: host, "\(name) has \(holder.token) after \(before.token)")
            } else if holder.token == before.token, holder.host != before.host {
                self.report(
                    "a token is for one host", at: now, host: host,
                    "\(name) has \(holder.token) on \(holder.host.short) after \(before.host.short)")
            } else if holder.token == before.token, record.version < before.version {
                self.report(
                    "turns only add up", at: now, host: host,
                    "\(name) has version \(record.version) after \(before.version) under \(holder.token)")
            }
        }
        self.holders[group, default: [:]][name] = (holder.token, holder.host, record.version)
    }

    /// Nothing leaves an outbox before the destination has it.
    private mutating func wrote(
        outbox key: [UInt8], _ value: [UInt8], of group: Int, on host: Int, at now: VirtualTime
    ) throws(WireError) {
        let name = Stream(source: group, destination: try self.partition(of: key))
        let stream = try OutboxStream(decoding: value)
        if let before = self.outboxes[name], stream.next < before.next || stream.acknowledged < before.acknowledged {
            self.report("outboxes only go on", at: now, host: host, "\(name): \(stream) after \(before)")
        }
        let expected = self.inboxes[name]?.expects ?? 1
        if stream.acknowledged >= expected {
            self.report(
                "outboxes without gaps", at: now, host: host,
                "\(name): \(stream.acknowledged) is acknowledged, and \(expected) is expected")
        }
        self.outboxes[name] = stream
    }

    /// Nothing arrives that was not sent.
    private mutating func wrote(
        inbox key: [UInt8], _ value: [UInt8], of group: Int, on host: Int, at now: VirtualTime
    ) throws(WireError) {
        let name = Stream(source: try self.partition(of: key), destination: group)
        let stream = try InboxStream(decoding: value)
        if let before = self.inboxes[name], stream.expects < before.expects {
            self.report("inboxes only go on", at: now, host: host, "\(name): \(stream) after \(before)")
        }
        let sent = self.outboxes[name]?.next ?? 1
        if stream.expects > sent {
            self.report(
                "inboxes without gaps", at: now, host: host,
                "\(name): \(stream.expects) is expected, and the next to be sent is \(sent)")
        }
        self.inboxes[name] = stream
    }

    private func outboxes(of group: Int) -> String {
        let streams = self.outboxes.filter { $0.key.source == group }.sorted { $0.key.destination < $1.key.destination }
        let texts = streams.map { name, stream in
            "to \(name.destination) acknowledged \(stream.acknowledged) of \(stream.next - 1), expected "
                + "\(self.inboxes[name]?.expects ?? 1)"
        }
        return texts.joined(separator: "; ")
    }

    /// A key with what is not text in it as numbers.
    private static func text(_ key: [UInt8]) -> String {
        key.prefix(64).map { 0x21..<0x7F ~= $0 ? String(UnicodeScalar($0)) : "[\($0)]" }.joined()
    }

    private func partition(of key: [UInt8]) throws(WireError) -> Int {
        var reader = WireReader(key.raw)
        _ = try reader.read(UInt8.self)
        return Int(try reader.read(UInt16.self))
    }

    // MARK: The end

    /// With all faults healed and the clients at rest, nothing is left to do.
    mutating func finish(_ machine: KeyValueStore, of group: Int, at now: VirtualTime) {
        let left: [(PartitionKeys.Kind, String)] = [
            (.message, "messages wait"), (.due, "timers are armed"), (.outbox, "messages are in the outbox"),
        ]
        for (kind, what) in left {
            let entries = machine.read(.range(prefix: [kind.rawValue], start: [], limit: 4, bytesMax: .max))
            guard let first = entries.first else { continue }
            self.report(
                "liveness of delivery", at: now,
                "group \(group): at the end \(entries.count > 3 ? "many" : "\(entries.count)") \(what), "
                    + "the first under \(Self.text(first.key)); its outboxes: \(self.outboxes(of: group))")
        }
    }
}

extension ChainActor {
    /// What the actor's state on a disk says that it processed.
    func processed(in machine: KeyValueStore) throws(WireError) -> [Stop] {
        let prefix = PartitionKeys.values(of: self.path)
        let entries = machine.read(.range(prefix: prefix, start: prefix, limit: .max, bytesMax: .max))
        var values: [(key: [UInt8], bytes: [UInt8])] = []
        for entry in entries {
            let bytes = try StateValue(decoding: entry.value).bytes
            values.append((PartitionKeys.stateKey(of: entry.key, path: self.path), bytes))
        }
        return try Self.stops(in: values)
    }

    /// Messages to chains that a partition has given up.
    static func deadLetters(in machine: KeyValueStore) throws(WireError) -> [(path: ActorPath, stop: Stop)] {
        var found: [(path: ActorPath, stop: Stop)] = []
        let prefix = PartitionKeys.deadLetters
        for entry in machine.read(.range(prefix: prefix, start: prefix, limit: .max, bytesMax: .max)) {
            let record = try DeadLetterRecord(decoding: entry.value)
            var reader = WireReader(entry.key.raw)
            _ = try reader.read(UInt8.self)
            let number = try reader.read(UInt64.self)
            let body = machine[PartitionKeys.deadLetterBody(number)] ?? []
            guard ChainActor(record.path) != nil else { continue }
            found.append((record.path, try Stop(decoding: try Envelope(decoding: body).message.body)))
        }
        return found
    }
}

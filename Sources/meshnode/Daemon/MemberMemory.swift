internal import Logging
internal import MeshCore
internal import MeshTransport

/// Who is in the mesh, written down for the next start.
///
/// An actor, because two tasks write: one when the node has entered the mesh, the other whenever somebody came or went.
actor MemberMemory {
    /// A node can die young, so the first change is written at once; in a mass join most of them come right after it.
    private static let pauseMin = Duration.seconds(1)
    private static let pauseMax = Duration.seconds(5)

    private let folder: DataFolder
    private let network: MeshNetwork
    private let state: NodeState
    private let logger: Logger
    private var asked = 0
    /// The number of the question whose answer was written last.
    private var written = 0

    init(folder: DataFolder, network: MeshNetwork, state: NodeState, logger: Logger) {
        self.folder = folder
        self.network = network
        self.state = state
        self.logger = logger
    }

    nonisolated func load() throws -> [MemberDescription] {
        guard let bytes = try self.folder.rememberedMembers() else { return [] }
        do { return try MembersFile.decode(bytes).filter { $0.id != self.network.localID } } catch {
            // It only makes rejoining quicker: seeds and the others' own tries are still there.
            self.logger.warning(
                "the file of remembered members is damaged and is ignored", metadata: ["error": "\(error)"])
            return []
        }
    }

    /// Not more often than a large mesh makes reasonable.
    func keep(whenever changed: AsyncStream<Void>) async {
        for await _ in changed {
            let count = await self.save()
            // After the network has stopped there is nothing to learn, and nothing to overwrite.
            guard count > 0 else { return }
            try? await Task.sleep(for: min(Self.pauseMax, Self.pauseMin + .milliseconds(count)))
        }
    }

    /// Writes who is in the mesh, and who was when this node last knew: during a partition the other half is not met,
    /// and a node that forgot it would never look for it again. Returns how many members there are.
    @discardableResult
    func save() async -> Int {
        self.asked += 1
        let number = self.asked
        let members = await self.network.members()
        // What was asked later and is written already is newer.
        guard !members.isEmpty, number > self.written else { return members.count }
        self.written = number
        let known = members.filter { $0.state != .left }.map(\.description)
        let unmet = self.state.unmet(besides: members.map(\.description.id))
        do { try self.folder.remember(members: MembersFile.encode(known + unmet)) } catch {
            self.logger.warning("cannot remember the members", metadata: ["error": "\(error)"])
        }
        return members.count
    }
}

/// The members a node met, as it writes them down: enough to call on them again.
enum MembersFile {
    private static let version: UInt8 = 1

    static func encode(_ members: [MemberDescription]) -> [UInt8] {
        var writer = WireWriter()
        writer.write(self.version)
        writer.write(UInt32(members.count))
        for member in members {
            writer.write(member.id)
            writer.write(member.boot.epoch)
            writer.write(member.boot.nonce)
            writer.write(member.endpoint)
            writer.write(text: member.name)
        }
        writer.write(sipHash24(writer.bytes, key: (0, 0)))
        return writer.bytes
    }

    static func decode(_ bytes: [UInt8]) throws(WireError) -> [MemberDescription] {
        guard bytes.count > 8 else { throw WireError(.truncated, at: bytes.count) }
        let body = Array(bytes.dropLast(8))
        var checksum = WireWriter()
        checksum.write(sipHash24(body, key: (0, 0)))
        guard checksum.bytes == Array(bytes.suffix(8)) else { throw WireError(.invalidValue, at: body.count) }
        var reader = WireReader(body.raw)
        guard try reader.read(UInt8.self) == self.version else { throw WireError(.unsupportedVersion, at: 0) }
        let count = Int(try reader.read(UInt32.self))
        var members: [MemberDescription] = []
        for _ in 0..<count {
            members.append(
                MemberDescription(
                    id: try reader.nodeID(), boot: Boot(epoch: try reader.read(), nonce: try reader.read()),
                    endpoint: try reader.endpoint(), name: try reader.text(limit: 512)))
        }
        try reader.end()
        return members
    }
}

internal import MeshCore
internal import MeshRuntime
internal import MeshTransport

/// Everything that `doctor` looks at, put together.
enum Doctor {
    /// Members that are examined, so many at a time: an examination takes a second or two and a dozen packets.
    private static let peersMax = 256
    private static let atOnce = 32
    /// For eight writes with fsync, also of a slow disk.
    private static let machineMax = Duration.seconds(20)

    /// Without a daemon: the machine, the folder, the ports, the seeds.
    static func examine(_ configuration: NodeConfiguration) async -> DoctorView {
        let machine = await self.machine(MachineChecks(folder: configuration.data))
        return DoctorView(
            node: configuration.name, running: false,
            findings: machine + (await PortChecks(configuration: configuration).findings()))
    }

    /// Of a running daemon: its machine, and the ways to the other members.
    static func examine(_ node: NodeService) async -> DoctorView {
        let members = await node.network.members()
        let live = members.filter {
            $0.description.id != node.facts.id && ($0.state == .alive || $0.state == .suspect)
        }
        async let peers = self.peers(live, of: node)
        async let keys = node.keys()
        let machine = await self.machine(
            MachineChecks(folder: node.facts.folder, openFiles: ProcessReading.openFiles ?? 0))
        return DoctorView(
            node: node.facts.name, running: true,
            findings: machine + self.members(members, of: node) + (await peers)
                + (await self.neighbours(of: node)) + KeyChecks.findings(await keys, node: node.facts.name))
    }

    private static func machine(_ checks: MachineChecks) async -> [Finding] {
        await onThread(within: self.machineMax) { checks.findings() } ?? [
            Finding(
                .problem, "disk", checks.folder, "does not answer within \(self.machineMax)",
                mend:
                    "a disk or network file system hangs: check dmesg and the mount; nothing is acknowledged meanwhile")
        ]
    }

    private static func peers(_ members: [Member], of node: NodeService) async -> [Finding] {
        let chosen = members.prefix(self.peersMax)
        let reports = await withTaskGroup(of: (Int, PathReport).self) { group in
            var reports: [Int: PathReport] = [:]
            for (index, member) in chosen.enumerated() {
                if index >= self.atOnce, let (done, report) = await group.next() { reports[done] = report }
                group.addTask { (index, await node.network.examine(member.description.id)) }
            }
            for await (index, report) in group { reports[index] = report }
            return reports
        }
        let peers = chosen.enumerated().map { index, member in
            PeerChecks.Peer(
                name: member.description.name, endpoint: member.description.endpoint,
                version: member.description.version, report: reports[index] ?? PathReport())
        }
        let checks = PeerChecks(
            own: (node.facts.name, node.facts.address, Meshnode.version), peers: peers)
        guard members.count > self.peersMax else { return checks.findings() }
        return checks.findings() + [
            Finding(.fine, "members", node.facts.name, "\(self.peersMax) of \(members.count) members were examined")
        ]
    }

    private static func members(_ members: [Member], of node: NodeService) -> [Finding] {
        let absent = members.filter { $0.state == .dead || $0.state == .suspect }.map { member in
            Finding(
                .warning, "members", "\(member.description.name) at \(member.description.endpoint)",
                "is \(member.state.name)", mend: "meshnode status --why \(member.description.name) tells why")
        }
        let phase = node.phase()
        guard phase == .joining else { return absent }
        return absent + [
            Finding(
                .problem, "members", node.facts.name, "has not joined: no seed has answered yet",
                mend: "check the addresses of --join, TCP and UDP to them, and that their daemons run")
        ]
    }

    /// Somebody must see when a process ends: each node keeps streams to its neighbours.
    private static func neighbours(of node: NodeService) async -> [Finding] {
        let streams = await node.network.neighbours()
        let missing = streams.filter { !$0.isOpen }.map { node.network.name(of: $0.node) ?? $0.node.short }
        guard !missing.isEmpty else {
            return streams.isEmpty
                ? []
                : [
                    Finding(
                        .fine, "members", node.facts.name,
                        "streams to its \(streams.count) neighbours in the ring are open")
                ]
        }
        return [
            Finding(
                .warning, "members", missing.joined(separator: ", "), "no stream to this neighbour in the ring is open",
                mend: "if it stays so, allow TCP to it; deaths are noticed later without")
        ]
    }
}

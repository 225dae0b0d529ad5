internal import FoundationEssentials
internal import Glibc
internal import Logging
internal import MeshCore
internal import MeshGateway
internal import MeshRuntime
internal import MeshStorage
internal import MeshTransport
internal import MeshWorkers
internal import Metrics
internal import UnixSignals

/// The daemon: network, storage, runtime and gateway put together. Decides nothing that a part could decide.
struct Daemon: Sendable {
    /// For turns in flight when the node leaves.
    private static let turnsGrace = Duration.seconds(10)

    /// For all of leaving; past it the process ends, which loses nothing that was acknowledged.
    private static let departureMax = Duration.seconds(30)

    let configuration: NodeConfiguration
    let folder: DataFolder
    let mesh: MeshOfNode
    let logger: Logger
    let storage: RocksStorage
    /// Where partitions live.
    let loops = ShardLoops()
    /// Whose boots were met.
    let boots: MetBoots
    let network: MeshNetwork
    let runtime: Runtime
    let memory: MemberMemory
    let state: NodeState
    let disk: DiskGuard
    let pulse = Pulse()
    let manager: ServiceManager?
    /// Reads the configuration again, for a reload.
    let configure: @Sendable () throws -> NodeConfiguration
    let journal: EventJournal
    let guardian: OrphanGuard

    /// Runs until a signal, `leave`, or an error ends it. `configure` reads the configuration anew when asked to reload.
    static func run(
        _ configuration: NodeConfiguration, configure: @escaping @Sendable () throws -> NodeConfiguration
    ) async throws {
        let metrics = PrometheusRegistry()
        for (name, help) in MetricHelp.all { metrics.describe(name, help) }
        MetricsSystem.bootstrap(metrics)
        let journal = EventJournal()
        LogLevel.shared.set(configuration.logLevel)
        LoggingSystem.bootstrap { LineLog(label: $0, format: configuration.logFormat, journal: journal) }
        // A worker or a client that closes its end is an error to handle, not the end of the daemon.
        signal(SIGPIPE, SIG_IGN)
        raiseOpenFilesLimit()
        let folder = try DataFolder(creating: configuration.data)
        // Held until the process ends, before any socket is touched.
        let lock = try folder.lock()
        try folder.forgetAddresses()
        try await Self.checkPorts(of: configuration)
        let manager = ServiceManager(takingFrom: ProcessInfo.processInfo.environment)
        let daemon = try Daemon(configuration, folder, manager, journal, configure)
        try await daemon.serve(metrics)
        // First who could still write.
        await daemon.loops.close()
        daemon.storage.close()
        withExtendedLifetime(lock) {}
    }

    /// Before a mesh is made that would never be served. A port that the system is to choose is always free.
    private static func checkPorts(of configuration: NodeConfiguration) async throws {
        if configuration.bind.port != 0 { try await MeshNetwork.probe(bind: HostAndPort(configuration.bind)) }
        if let http = configuration.http, http.port != 0 {
            try await HTTPGateway.probe(host: http.host, port: http.port)
        }
    }

    private init(
        _ configuration: NodeConfiguration, _ folder: DataFolder, _ manager: ServiceManager?, _ journal: EventJournal,
        _ configure: @escaping @Sendable () throws -> NodeConfiguration
    ) throws {
        self.configuration = configuration
        self.configure = configure
        self.folder = folder
        self.manager = manager
        self.disk = DiskGuard(path: folder.path)
        self.journal = journal
        // This program, also when its file was replaced meanwhile.
        self.guardian = OrphanGuard(
            executable: "/proc/self/exe", arguments: ["meshnode", "guard"], logger: Logger(label: "worker"))
        self.logger = Logger(label: "node")
        let mesh = try MeshOfNode(settling: configuration, in: folder)
        self.mesh = mesh
        journal.begin(boot: mesh.boot.epoch)
        self.storage = try RocksStorage(
            directory: folder.database, node: mesh.identity.id, memory: configuration.memory.bytes)
        self.state = NodeState(phase: mesh.plan == .create ? .ready : .joining)

        var network = MeshNetwork.Configuration(
            identity: mesh.identity, boot: mesh.boot, cluster: mesh.cluster, keys: mesh.keys,
            name: configuration.name, bind: HostAndPort(configuration.bind),
            membership: configuration.profile.membership)
        network.zone = configuration.zone
        network.tags = configuration.tags
        network.version = Meshnode.version
        network.advertise = configuration.advertise.map(HostAndPort.init)
        network.keepKeys = { [folder, mesh] in try folder.save($0, of: mesh.cluster) }
        self.boots = MetBoots(storage: self.storage)
        self.network = MeshNetwork(network, admission: self.boots, logger: Logger(label: "network"))
        self.memory = MemberMemory(folder: folder, network: self.network, state: self.state, logger: self.logger)
        let settings = RuntimeConfiguration()
        self.runtime = Runtime(
            directory: self.network, storage: self.storage,
            handlers: ExecHandlers(logger: Logger(label: "worker"), guardian: self.guardian), configuration: settings,
            partitions: PartitionNode.Configuration(
                local: mesh.identity.id, boot: mesh.boot.epoch, placement: Placement(cluster: mesh.cluster),
                founders: mesh.founders, executors: self.loops.executors, seed: randomUInt64(), clock: settings.moment),
            journal: journal, logger: Logger(label: "runtime"))
    }

    // MARK: life

    enum Occasion: Sendable {
        case ended(String)
        case done
        case askedToLeave(String)
    }

    private func serve(_ metrics: PrometheusRegistry) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let reloads = await UnixSignalsSequence(trapping: .sighup)
        try await self.boots.recover()
        try await self.runtime.recover()
        self.runtime.attach(self.network)
        let addresses = try await self.network.start(handler: self.runtime)
        let gateway = try self.gateway(metrics, addresses)
        let (bound, whenBound) = AsyncStream.makeStream(of: [HTTPGateway.Address].self)

        try await withThrowingTaskGroup(of: Occasion.self) { parts in
            parts.addTask {
                await self.network.run()
                return .ended("the network")
            }
            parts.addTask {
                await self.runtime.run()
                return .ended("the runtime")
            }
            parts.addTask {
                try await gateway.run { whenBound.yield($0) }
                return .ended("the gateway")
            }
            parts.addTask {
                for await listening in bound { return try await self.open(addresses, listening) }
                return .done
            }
            parts.addTask { await self.followMembers() }
            parts.addTask { await self.tellOfMembers() }
            parts.addTask { await self.beginPartitions() }
            parts.addTask {
                await self.guardian.run()
                return .done
            }
            parts.addTask { await self.keepAdvertising() }
            parts.addTask { await self.watchDisk() }
            if let manager = self.manager { parts.addTask { await self.keepInformed(manager) } }
            parts.addTask { await self.awaitWishToLeave() }
            parts.addTask { await self.awaitSignal(signals) }
            parts.addTask { await self.followReloads(reloads) }
            try await self.untilLeaving(&parts)
            parts.addTask {
                // A handler that does not let go must not hold the machine's shutdown.
                try? await Task.sleep(for: Self.departureMax)
                if !Task.isCancelled {
                    self.logger.critical("leaving took too long; the process ends as it is")
                    exit(1)
                }
                return .done
            }
            await self.depart()
            parts.cancelAll()
        }
    }

    private func untilLeaving(_ parts: inout ThrowingTaskGroup<Occasion, any Error>) async throws {
        while let occasion = try await parts.next() {
            switch occasion {
            case .done: continue
            case .askedToLeave(let reason):
                self.logger.info("leaving", metadata: ["because": "\(reason)"])
                return
            case .ended(let part):
                throw MeshError(.internalError, "\(part) ended by itself", hint: "the log says why")
            }
        }
    }

    /// In this order: nothing new is accepted, turns end, the mesh is told, the sockets close.
    private func depart() async {
        self.state.enter(.leaving)
        self.manager?.isStopping()
        await self.runtime.shutdown(grace: Self.turnsGrace)
        await self.network.leave()
        self.journal.close()
    }

    // MARK: parts

    private func gateway(_ metrics: PrometheusRegistry, _ addresses: MeshNetwork.Addresses) throws -> HTTPGateway {
        let admin = try self.folder.adminToken { randomBytes(32).map(hexadecimal).joined() }
        var listeners = [HTTPGateway.Listener(.unix(path: self.folder.apiSocket), token: nil)]
        if let http = self.configuration.http {
            listeners.append(HTTPGateway.Listener(.tcp(host: http.host, port: http.port), token: admin))
        }
        let service = NodeService(
            facts: NodeService.Facts(
                cluster: self.mesh.cluster, id: self.mesh.identity.id, name: self.configuration.name,
                boot: self.mesh.boot, address: addresses.advertised, folder: self.folder.path,
                started: .now(), tokenPlace: self.tokenPlace),
            network: self.network, runtime: self.runtime, state: self.state, disk: self.disk,
            gauges: NodeGauges(storage: self.storage, pulse: self.pulse, askForSign: self.askForSign),
            journal: self.journal)
        return HTTPGateway(
            control: service, listeners: listeners, definitions: DefinitionReader.read, metrics: metrics,
            logger: Logger(label: "http"))
    }

    /// Where a reload looks for a token that is new.
    private var tokenPlace: String {
        self.configuration.tokenFile.flatMap { $0 == "-" ? nil : $0 } ?? self.folder.path + "/mesh.token"
    }

    /// Everything is bound: says so, and enters the mesh.
    private func open(
        _ addresses: MeshNetwork.Addresses, _ listening: [HTTPGateway.Address]
    ) async throws -> Occasion {
        let http = listening.dropFirst().first.map { "http://\($0)" }
        self.state.served(http: http)
        try self.folder.save(addresses: Addresses(addresses, http: http, socket: self.folder.apiSocket).json)
        if self.mesh.plan == .create {
            self.printInvitation(addresses.advertised)
            // Nobody else knows of this mesh yet.
            try await self.runtime.begin()
            try self.folder.forgetFounding()
        }
        try await self.enterMesh {
            say(
                "ready name=\(self.configuration.name) id=\(self.mesh.identity.id) mesh=\(addresses.advertised) "
                    + "http=\(http ?? "none") socket=\(self.folder.apiSocket)")
            self.manager?.isReady()
        }
        return .done
    }

    /// With the token only where it scrolls away: what supervisors and pipes get is kept, and read by others.
    private func printInvitation(_ address: Endpoint) {
        say("created mesh \(self.mesh.cluster); on another machine, this adds a node:")
        say("")
        if Terminal.isInteractive {
            say("    MESHNODE_TOKEN=\(self.network.token.text) meshnode start --join \(address)")
        } else {
            say("    meshnode start --join \(address) --token-file FILE")
        }
        say("")
        say("'meshnode token --data \(self.folder.path)' prints the token. Whoever has it can join.")
    }

    private func awaitWishToLeave() async -> Occasion {
        for await reason in self.state.leaveRequests { return .askedToLeave(reason) }
        return .done
    }

    /// The first signal asks the node to leave; the second ends the process at once.
    private func awaitSignal(_ signals: UnixSignalsSequence) async -> Occasion {
        for await signal in signals {
            if !self.state.askToLeave(because: "of \(signal)") { exit(1) }
        }
        return .done
    }
}

/// Files of the database, streams to members, connections of clients and pipes of programs all count: take what the
/// system allows, for a database that cannot open a file ends the process.
private func raiseOpenFilesLimit() {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}

/// One line on standard output, at once, also into a pipe.
func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    // Nobody could be told that standard output cannot be written.
    _ = unsafe bytes.withUnsafeBytes { unsafe write(STDOUT_FILENO, $0.baseAddress, $0.count) }
}

private func hexadecimal(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

extension HostAndPort {
    init(_ address: HostPort) { self.init(host: address.host, port: address.port) }
}

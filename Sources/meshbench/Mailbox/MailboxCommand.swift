internal import ArgumentParser
internal import Glibc
internal import MeshCore
internal import MeshRuntime
internal import MeshTransport

/// `meshbench mailbox`: messages to actors, from clients in this process, each with one message in flight.
struct MailboxCommand: AsyncParsableCommand {
    enum Work: String, CaseIterable, ExpressibleByArgument {
        /// The message is durable on a quorum, and nobody runs.
        case enqueue
        /// A whole turn of a counter: received, state changed, committed, answered.
        case turn
        /// A turn of a counter that changes nothing.
        case read
    }

    static let configuration = CommandConfiguration(
        commandName: "mailbox",
        abstract: "Measures messages to actors, made durable by one replica or by three; prints one line of JSON.",
        discussion: """
            With three replicas two daemons are started beside the node in this process, and only partitions that this \
            node leads are used. scripts/bench-mailbox compares it with the limits of the machine and with other systems.
            """)

    @Option(help: "A folder to work in, on the disk to measure; what it made there is removed.") var directory = "."
    @Option(help: "enqueue, turn or read.") var work = Work.enqueue
    @Option(help: "1 or 3.") var replicas = 1
    @Option(help: "Messages in flight.") var clients = 1
    @Option(help: "Actors that they are sent to; 0: one for each client.") var actors = 0
    @Option(help: "Body of a message to be queued.") var bytes = 100
    @Option(help: "Partitions of the mesh; with three replicas they are 256.") var partitions = Partition.countDefault
    @Option(help: "Messages that wait already when the measurement begins.") var backlog = 0
    @Option(help: "How long.") var seconds = 2.0
    @Option(help: "The daemon; by default the one that was built with this program.") var meshnode: String?
    @Flag(help: "Wait for a line on standard input before and after, so that a profiler can be attached.")
    var pausing = false

    func validate() throws {
        guard [1, 3].contains(self.replicas), 1...100_000 ~= self.clients, 0...100_000 ~= self.actors,
            1...Message.bodyBytesMax ~= self.bytes, 1...4_096 ~= self.partitions, 0...10_000_000 ~= self.backlog,
            self.seconds > 0, self.replicas == 1 || self.partitions == Partition.countDefault
        else { throw ValidationError("an option is out of range") }
    }

    func run() async throws {
        let folder = try BenchFolder(in: self.directory)
        defer { folder.remove() }
        let node = try BenchNode(folder: folder.path + "/bench", partitions: self.partitions)
        try await node.run { address in
            let daemon = self.meshnode ?? besideThisProgram("meshnode")
            let others = try Daemons(
                self.replicas - 1, daemon, joining: address, token: node.network.token.text, in: folder.path)
            defer { others.end() }
            try await node.awaitReplicas(self.replicas, of: others)
            let load = MailboxLoad(
                runtime: node.runtime, work: self.work, bytes: self.bytes,
                paths: try node.paths(self.work.prefix, count: self.actors > 0 ? self.actors : self.clients))
            if self.backlog > 0 { try await load.send(self.backlog, clients: 1_024) }
            // Sessions are opened, activations begin, and buffers grow to their size.
            _ = try await load.measure(clients: self.clients, seconds: min(1, self.seconds / 2), others)
            if self.pausing { self.pause("ready \(getpid())") }
            let result = try await load.measure(clients: self.clients, seconds: self.seconds, others)
            print(self.line(result))
            if self.pausing { self.pause("done") }
        }
    }

    private func pause(_ line: String) {
        print(line)
        fflush(nil)
        _ = readLine()
    }

    private func line(_ result: MailboxLoad.Result) -> String {
        "{\"bench\":\"mailbox\",\"work\":\"\(self.work)\",\"replicas\":\(self.replicas),\"clients\":\(self.clients),"
            + "\"bytes\":\(self.bytes),\"partitions\":\(self.partitions),\"backlog\":\(self.backlog),"
            + "\"messages_s\":\(Int(result.rate)),\"p50_us\":\(Int(result.p50)),\"p99_us\":\(Int(result.p99)),"
            + "\"cpu_us\":\(rounded(result.cpu)),\"allocations\":\(rounded(result.allocations)),"
            + "\"switches\":\(rounded(result.switches))}"
    }

    private func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
}

extension MailboxCommand.Work {
    fileprivate var prefix: String { self == .enqueue ? "/bench/idle" : "/meshnode/counter" }
}

extension BenchNode {
    /// Until every partition led here is on as many nodes as asked for, and leaders do not move any more.
    fileprivate func awaitReplicas(_ count: Int, of others: borrowing Daemons) async throws {
        let deadline = MonotonicClock.now + .seconds(120)
        var before = -1
        while MonotonicClock.now < deadline {
            let led = self.runtime.partitionStatus
            if !led.isEmpty, led.allSatisfy({ $0.voters == count }), led.count == before { return }
            before = led.count
            // One node leads all it will; of three, leaders spread once a second.
            try await Task.sleep(for: count == 1 ? .milliseconds(20) : .seconds(5))
        }
        throw BenchError("the partitions did not get \(count) replicas within two minutes")
    }
}

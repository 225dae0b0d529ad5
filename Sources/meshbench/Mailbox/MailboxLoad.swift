internal import CMallocCounter
internal import Glibc
internal import MeshCore
internal import MeshRuntime

/// Clients that each send one message after the other, and what it cost.
struct MailboxLoad: Sendable {
    /// Per message, but for rate and latencies.
    struct Result: Sendable {
        var rate: Double
        var p50: Double
        var p99: Double
        /// Of all nodes, in microseconds.
        var cpu: Double
        /// Of this process.
        var allocations: Double
        var switches: Double
    }

    let runtime: Runtime
    let work: MailboxCommand.Work
    let bytes: Int
    let paths: [ActorPath]

    /// So many messages, as fast as they go.
    func send(_ count: Int, clients: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in 0..<clients {
                group.addTask {
                    for place in stride(from: client, to: count, by: clients) { try await self.once(place) }
                }
            }
            try await group.waitForAll()
        }
    }

    func measure(clients: Int, seconds: Double, _ others: borrowing Daemons) async throws -> Result {
        let clock = ContinuousClock()
        let before = (cpu: others.processorSeconds, switches: Self.switches, allocations: malloc_counter_calls())
        let start = clock.now
        let end = start + .seconds(seconds)
        var microseconds = try await withThrowingTaskGroup(of: [Double].self) { group in
            for client in 0..<clients {
                group.addTask {
                    var times: [Double] = []
                    times.reserveCapacity(1 << 16)
                    var now = clock.now
                    while now < end {
                        try await self.once(client)
                        let after = clock.now
                        times.append((after - now) / .microseconds(1))
                        now = after
                    }
                    return times
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        let elapsed = (clock.now - start) / .seconds(1)
        let count = Double(microseconds.count)
        microseconds.sort()
        return Result(
            rate: count / elapsed, p50: microseconds[microseconds.count / 2],
            p99: microseconds[microseconds.count * 99 / 100],
            cpu: (others.processorSeconds - before.cpu) / count * 1e6,
            allocations: Double(malloc_counter_calls() - before.allocations) / count,
            switches: Double(Self.switches - before.switches) / count)
    }

    private func once(_ place: Int) async throws {
        let path = self.paths[place % self.paths.count]
        switch self.work {
        case .enqueue: _ = try await self.runtime.send(OutgoingMessage(path: path, body: self.body))
        case .turn: _ = try await self.runtime.call(OutgoingMessage(path: path, body: Array("{\"add\":1}".utf8)))
        case .read: _ = try await self.runtime.call(OutgoingMessage(path: path, body: Array("{\"read\":true}".utf8)))
        }
    }

    private var body: [UInt8] { [UInt8](repeating: 0x61, count: self.bytes) }

    private static var switches: Int {
        var usage = rusage()
        unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_nvcsw + usage.ru_nivcsw
    }
}

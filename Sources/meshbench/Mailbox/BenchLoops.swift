internal import MeshCore
internal import MeshRuntime
internal import NIOCore
internal import NIOPosix

/// Event loops for the shards of a node, as the daemon has them: one for the meta group, the rest for partitions.
struct BenchLoops: Sendable {
    private struct Executor: ShardExecutor {
        let loop: any EventLoop

        func execute(_ work: @escaping @Sendable () -> Void) { self.loop.execute(work) }

        func execute(at instant: Instant, _ work: @escaping @Sendable () -> Void) {
            let wait = max(.zero, instant - MonotonicClock.now)
            self.loop.scheduleTask(in: .nanoseconds(wait.nanoseconds)) { work() }
        }
    }

    private let group: MultiThreadedEventLoopGroup
    let executors: [any ShardExecutor]

    init(shards: Int) {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: shards + 1)
        self.group = group
        self.executors = (0...shards).map { _ in Executor(loop: group.next()) }
    }

    func close() async { try? await self.group.shutdownGracefully() }
}

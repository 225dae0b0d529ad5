internal import MeshCore
internal import MeshRuntime
internal import NIOCore
internal import NIOPosix

/// The event loops on which the shards of the node run: one for the meta group and the heartbeats, and some for partitions.
final class ShardLoops: Sendable {
    /// Partitions cost most where they wait for the disk, which is one.
    private static let shardsMax = 4

    private let group: MultiThreadedEventLoopGroup
    let executors: [any ShardExecutor]

    init() {
        let shards = min(Self.shardsMax, max(1, System.coreCount - 1))
        let group = MultiThreadedEventLoopGroup(numberOfThreads: shards + 1)
        self.group = group
        self.executors = (0...shards).map { _ in LoopExecutor(loop: group.next()) }
    }

    func close() async { try? await self.group.shutdownGracefully() }
}

/// An event loop as shards see it.
private struct LoopExecutor: ShardExecutor {
    /// A longer wait is several.
    private static let waitMax = Duration.seconds(3_600)

    let loop: any EventLoop

    func execute(_ work: @escaping @Sendable () -> Void) { self.loop.execute(work) }

    func execute(at instant: Instant, _ work: @escaping @Sendable () -> Void) {
        let wait = instant - MonotonicClock.now
        guard wait > .zero else { return self.loop.execute(work) }
        guard wait <= Self.waitMax else {
            self.loop.scheduleTask(in: .hours(1)) { self.execute(at: instant, work) }
            return
        }
        self.loop.scheduleTask(in: .nanoseconds(wait.nanoseconds)) { work() }
    }
}

package import MeshCore

/// Where a shard runs: one piece of work at a time, in the order in which they came. In the daemon an event loop.
package protocol ShardExecutor: Sendable {
    func execute(_ work: @escaping @Sendable () -> Void)
    /// At that instant of the monotonic clock or a little later. What is not wanted any more runs all the same.
    func execute(at instant: Instant, _ work: @escaping @Sendable () -> Void)
}

/// What a shard's groups want of the rest of the node.
package protocol ShardService<Request, Output>: Sendable {
    associatedtype Request: Sendable
    associatedtype Output: Sendable

    /// Called on the shard's executor, so it does not wait. Whatever can be answered at once, such as a handler that runs
    /// inline, is returned and joins the same turn; the rest comes later through the driver.
    func perform(_ outputs: [(group: GroupID, output: Output)]) -> [ShardInput<Request>]
    /// The groups are not here: the requester must look elsewhere.
    func strayed(_ requests: [(group: GroupID, request: Request)])
    /// Who leads what, as far as this node knows.
    func changed(_ roles: [ShardTurn<Request, Output>.RoleChange])
    func done(_ results: [(id: UInt64, result: GroupCommandResult)])
}

/// What an operator applied: which paths exist and what answers there.
package struct ActorDefinition: Hashable, Sendable {
    package struct Exec: Hashable, Sendable {
        /// Program and arguments; looked up in PATH, run in `directory`.
        package var command: [String]
        /// Of one message; past it the process is killed and restarted.
        package var timeout: Duration
        /// Added to the daemon's environment, sorted by name.
        package var environment: [Label]
        /// Where it runs; nil is the daemon's working directory.
        package var directory: String?

        package init(
            command: [String], timeout: Duration = .seconds(30), environment: [Label] = [], directory: String? = nil
        ) {
            self.command = command
            self.timeout = timeout
            self.environment = environment
            self.directory = directory
        }
    }

    package enum Handler: Hashable, Sendable { case exec(Exec) }

    package static let mailboxLimitDefault = 10_000

    /// `metadata.name`: `[a-z0-9]([a-z0-9-]*[a-z0-9])?`, at most 63 bytes, unique per mesh.
    package var name: String
    package var path: PathPattern
    package var handler: Handler
    /// Messages waiting; past it a sender gets `overloaded`.
    package var mailboxLimit: Int
    /// What becomes of a message whose turn failed; nil is `RetryPolicy.standard`.
    package var retry: RetryPolicy?
    /// Which members may host it, and which rather than others.
    package var placement: ActorPlacement
    /// The YAML document, as it was applied.
    package var source: String

    package init(
        name: String, path: PathPattern, handler: Handler, mailboxLimit: Int = Self.mailboxLimitDefault,
        retry: RetryPolicy? = nil, placement: ActorPlacement = ActorPlacement(), source: String
    ) {
        self.name = name
        self.path = path
        self.handler = handler
        self.mailboxLimit = mailboxLimit
        self.retry = retry
        self.placement = placement
        self.source = source
    }
}

internal import MeshCore
internal import MeshRuntime
internal import Synchronization

/// What the daemon's parts tell each other: the phase, warnings, and the wish to leave.
final class NodeState: Sendable {
    /// Members of the last boot that are carried on until they are met.
    static let unmetMax = 1024

    private struct Contents {
        var phase: NodePhase
        var http: String?
        var isAskedToLeave = false
        var isGoing = false
        var warnings: [String] = []
        /// What of the machine cannot be read at present, and why.
        var hardwareFailures: [String: String] = [:]
        /// Why not all capabilities are advertised at present.
        var withheld: String?
        /// Members of the last boot that this one has not met.
        var unmet: [MemberDescription] = []
    }

    private let contents: Mutex<Contents>
    /// Yields once, with the reason, when somebody asks the node to leave.
    let leaveRequests: AsyncStream<String>
    private let leaveRequested: AsyncStream<String>.Continuation

    init(phase: NodePhase) {
        self.contents = Mutex(Contents(phase: phase))
        (self.leaveRequests, self.leaveRequested) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(1))
    }

    var phase: NodePhase { self.contents.withLock { $0.phase } }
    /// It gives away what it has, and tells the others that it is about to leave.
    var isGoing: Bool {
        get { self.contents.withLock { $0.isGoing } }
        set { self.contents.withLock { $0.isGoing = newValue } }
    }
    var http: String? { self.contents.withLock { $0.http } }
    var warnings: [String] {
        self.contents.withLock { contents in
            contents.warnings + [contents.withheld].compactMap(\.self)
                + contents.hardwareFailures.sorted { $0.key < $1.key }.map {
                    "the capability \($0.key) is not advertised: \($0.value)"
                }
        }
    }

    /// Leaving is final: a join that succeeds late does not bring the node back.
    func enter(_ phase: NodePhase) {
        self.contents.withLock { if $0.phase != .leaving { $0.phase = phase } }
    }

    func served(http: String?) { self.contents.withLock { $0.http = http } }

    func warn(_ warning: String) {
        self.contents.withLock { if !$0.warnings.contains(warning) { $0.warnings.append(warning) } }
    }

    /// In the place of what was so before.
    func withholds(_ warning: String?) { self.contents.withLock { $0.withheld = warning } }

    /// In the place of what failed before.
    func hardwareFails(_ failures: [String: String]) { self.contents.withLock { $0.hardwareFailures = failures } }

    /// True the first time.
    @discardableResult
    func askToLeave(because reason: String) -> Bool {
        let isFirst = self.contents.withLock { contents in
            defer { contents.isAskedToLeave = true }
            return !contents.isAskedToLeave
        }
        if isFirst { self.leaveRequested.yield(reason) }
        return isFirst
    }

    // MARK: remembered members

    func remember(_ members: [MemberDescription]) {
        self.contents.withLock { $0.unmet = Array(members.prefix(Self.unmetMax)) }
    }

    /// Whoever was met is not among them any more.
    func unmet(besides met: [NodeID]) -> [MemberDescription] {
        let met = Set(met)
        return self.contents.withLock { contents in
            contents.unmet.removeAll { met.contains($0.id) }
            return contents.unmet
        }
    }
}

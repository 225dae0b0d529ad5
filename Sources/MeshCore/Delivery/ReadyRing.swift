internal import DequeModule

/// The actors that could run a turn, in the order in which they get one.
///
/// Round robin: each gets one turn and goes to the end, so one with ten thousand messages delays one with a single message by
/// one turn. Classes of priority have rings of their own and take turns by weight, for a low priority is a late turn and
/// not none.
struct ReadyRing: Sendable {
    private var rings: [Deque<ActorPath>]
    private let weights: [Int]
    /// Turns that each class still has before all get their weight anew.
    private var credits: [Int]
    private var classes: [ActorPath: Int] = [:]

    /// Weights of the classes, the most urgent first.
    init(weights: [Int]) {
        self.weights = weights
        self.credits = weights
        self.rings = Array(repeating: [], count: weights.count)
    }

    var count: Int { self.classes.count }
    var isEmpty: Bool { self.classes.isEmpty }

    /// Puts an actor at the end of its class; one that waits in a lower class moves up.
    mutating func add(_ path: ActorPath, class rank: Int) {
        let rank = min(max(rank, 0), self.rings.count - 1)
        if let before = self.classes[path], before <= rank { return }
        self.classes[path] = rank
        self.rings[rank].append(path)
    }

    /// The next actor; it is out of the ring until it is added again.
    mutating func next() -> ActorPath? {
        guard !self.classes.isEmpty else { return nil }
        while true {
            for rank in self.rings.indices where self.credits[rank] > 0 {
                while let path = self.rings[rank].popFirst() {
                    // One that moved up has left its place behind.
                    guard self.classes[path] == rank else { continue }
                    self.classes[path] = nil
                    self.credits[rank] -= 1
                    return path
                }
            }
            self.credits = self.weights
        }
    }
}

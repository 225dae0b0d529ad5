internal import DequeModule

/// The places for live activations, and who waits for one.
package struct ActivationPlaces: Sendable {
    private let limit: Int
    private let workerLimit: Int
    package private(set) var count = 0
    private var workers = 0
    /// In the order of arrival. Those that wait for a worker's place do not hold up the others.
    private var waiting: Deque<ActorPath> = []
    private var waitingWorkers: Deque<ActorPath> = []

    package init(limit: Int, workerLimit: Int) {
        self.limit = limit
        self.workerLimit = workerLimit
    }

    package func someoneWaits(forWorker isWorker: Bool) -> Bool {
        !self.waiting.isEmpty || (isWorker && !self.waitingWorkers.isEmpty)
    }

    package mutating func take(isWorker: Bool) -> Bool {
        guard self.count < self.limit, !isWorker || self.workers < self.workerLimit else { return false }
        self.count += 1
        if isWorker { self.workers += 1 }
        return true
    }

    package mutating func wait(_ path: ActorPath, isWorker: Bool) {
        if isWorker { self.waitingWorkers.append(path) } else { self.waiting.append(path) }
    }

    package mutating func give(isWorker: Bool) {
        self.count -= 1
        if isWorker { self.workers -= 1 }
    }

    /// Who may try again, now that a place is free.
    package mutating func nextInLine() -> ActorPath? {
        if self.count < self.limit, self.workers < self.workerLimit, let path = self.waitingWorkers.popFirst() {
            return path
        }
        return self.count < self.limit ? self.waiting.popFirst() : nil
    }
}

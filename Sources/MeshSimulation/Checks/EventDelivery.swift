internal import MeshCore

/// No process hears a user event twice; in a healthy run everybody who was there all the time hears it once.
package struct EventDelivery: Sendable {
    static let name = "user events once each"

    private struct Key: Hashable, Sendable {
        var origin: NodeID
        var bootEpoch: UInt64
        var sequence: UInt32
    }

    private struct News: Sendable {
        var key: Key
        var raisedAt: VirtualTime
        var heardBy: Set<ProcessID> = []
    }

    private var news: [News] = []
    private var indices: [Key: Int] = [:]
    private static let spreading = Duration.seconds(30)

    package private(set) var missed = 0

    mutating func heard(_ event: UserEvent, on process: ProcessID, at now: VirtualTime) -> Violation? {
        let key = Key(origin: event.origin, bootEpoch: event.bootEpoch, sequence: event.sequence)
        let index = self.indices[key] ?? self.news.count
        if index == self.news.count {
            self.news.append(News(key: key, raisedAt: now))
            self.indices[key] = index
        }
        guard self.news[index].heardBy.insert(process).inserted else {
            return Violation(
                Self.name, at: now, host: process.host,
                "event \(event.sequence) of \(event.origin.short)/\(event.bootEpoch) was delivered again")
        }
        return nil
    }

    /// Counts who missed what. Only a healthy run promises that nobody does.
    mutating func finish(at now: VirtualTime, truth: borrowing Truth) -> Violation? {
        for news in self.news where now - news.raisedAt > Self.spreading {
            for host in truth.runningHosts {
                guard let id = truth.running[host], let life = truth.lives[id], life.since < news.raisedAt,
                    id != news.key.origin, !news.heardBy.contains(ProcessID(host: host, life: life.process))
                else { continue }
                self.missed += 1
                if truth.isHealthyRun {
                    return Violation(
                        Self.name, at: now, host: host,
                        "event \(news.key.sequence) of \(news.key.origin.short), raised at \(news.raisedAt), never came"
                    )
                }
            }
        }
        return nil
    }
}

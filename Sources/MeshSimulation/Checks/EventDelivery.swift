internal import MeshCore

/// No process hears a user event twice, and in a healthy run nobody misses one: what gossip loses, push/pull brings.
///
/// Who must hear it: every process that had been in the mesh for a while when the event was raised and still runs at
/// the end, if the origin had been there for a while too and outlives the telling.
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

    private static let settling = Duration.seconds(15)
    /// Three push/pull intervals, so that one lost exchange does not matter.
    private let spreading: Duration

    private var news: [News] = []
    private var indices: [Key: Int] = [:]
    /// Deliveries that had to be.
    package private(set) var expected = 0
    package private(set) var missed = 0

    init(pushPullInterval: Duration) { self.spreading = pushPullInterval * 3 }

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

    mutating func finish(at now: VirtualTime, truth: borrowing Truth) -> Violation? {
        var example = ""
        for news in self.news where now - news.raisedAt > self.spreading {
            guard let origin = truth.lives[news.key.origin], origin.isRunning,
                origin.boot.epoch == news.key.bootEpoch, origin.since + Self.settling < news.raisedAt
            else { continue }
            for host in truth.runningHosts where host != origin.host {
                guard let id = truth.running[host], let life = truth.lives[id],
                    life.since + Self.settling < news.raisedAt
                else { continue }
                self.expected += 1
                if news.heardBy.contains(ProcessID(host: host, life: life.process)) { continue }
                self.missed += 1
                example = "host \(host) never heard the event that host \(origin.host) raised at \(news.raisedAt)"
            }
        }
        guard truth.isHealthyRun, self.missed > 0 else { return nil }
        return Violation(
            Self.name, at: now, "\(self.missed) of \(self.expected) deliveries never came, such as: \(example)")
    }
}

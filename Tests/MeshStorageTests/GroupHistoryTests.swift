import Foundation
import Glibc
import MeshCore
import MeshStorage
import Synchronization
import Testing

@Suite struct GroupHistoryTests {
    @Test(
        "cut anywhere, the log gives every group as it was after one of its jobs; who lost a promise says so",
        arguments: 1...3 as ClosedRange<UInt64>)
    func cutAnywhere(seed: UInt64) async throws {
        try await withFolder { folder in
            var history = GroupHistory(seed: seed)
            var steps: [GroupHistory.Step] = []
            do {
                let storage = try RocksStorage(directory: folder + "/db", node: thisNode)
                _ = try await storage.recover()
                while steps.count < 200 {
                    var next: [GroupHistory.Step] = []
                    for _ in 0..<Int(1 + seed) { next += history.next() }
                    await storage.perform(next.map(\.job))
                    steps += next
                }
                try copyAsKilled(folder + "/db", to: folder + "/whole")
                storage.close()
            }
            // By closing, the watermark has seen everything.
            try? FileManager.default.removeItem(atPath: folder + "/whole.watermark")
            try FileManager.default.copyItem(atPath: folder + "/db.watermark", toPath: folder + "/whole.watermark")
            var random = RandomSource(seed: seed)
            for round in 0..<6 {
                try copyAsKilled(folder + "/whole", to: folder + "/cut")
                var cut: UInt64 = 0
                if round > 0 {
                    let log = try #require(try largest(".log", in: folder + "/cut"))
                    let size = try #require(FileManager.default.attributesOfItem(atPath: log)[.size] as? UInt64)
                    cut = 1 + random.next(upperBound: size - 1)
                    try FileHandle(forWritingTo: URL(fileURLWithPath: log)).truncate(atOffset: size - cut)
                }
                try await self.check(folder + "/cut", against: steps, isCut: cut > 0, "seed \(seed), \(cut) bytes cut")
            }
        }
    }

    private func check(
        _ path: String, against steps: [GroupHistory.Step], isCut: Bool, _ place: Comment
    ) async throws {
        let storage = try RocksStorage(directory: path, node: thisNode)
        let found = try await storage.recover()
        #expect(found.count == GroupHistory.groups.count, place)
        for case .replica(let replica) in found {
            let mine = steps.filter { $0.job.group == replica.group }
            let entries = await storage.load(replica.group, from: replica.log.base.index + 1) ?? []
            let values = await storage.state(replica.group) ?? []
            let prefix = mine.lastIndex { $0.after?.matches(replica, entries: entries, values: values) == true }
            guard let prefix else {
                Issue.record("\(place): \(replica.group) is as it never was")
                continue
            }
            let isWhole = mine[(prefix + 1)...].allSatisfy { !$0.isPromise }
            #expect((replica.lost == nil) == isWhole, place)
            if !isCut { #expect(prefix == mine.count - 1, place) }
        }
        for case .damaged(let group, _) in found {
            // Of this one even the creation is lost.
            #expect(isCut, place)
            #expect(steps.contains { $0.job.group == group }, place)
        }
        storage.close()
    }

    @Test(
        "killed at any moment, life after life, every group is as it was after a job no older than the last answered",
        arguments: 1...2 as ClosedRange<UInt64>)
    func killed(seed: UInt64) async throws {
        try await withFolder { folder in
            var history = GroupHistory(seed: seed)
            var steps: [GroupHistory.Step] = []
            while steps.count < historyLength { steps += history.next() }
            var begin = 0
            for life in 0..<3 as Range<Int> {
                await #expect(processExitsWith: .signal(SIGKILL)) {
                    [folder = folder as String, seed = seed as UInt64, begin = begin as Int, life = life as Int] in
                    await runUntilKilled(folder, seed: seed, from: begin, life: life)
                }
                let answered = try self.answered(folder)
                let storage = try RocksStorage(directory: folder + "/db", node: thisNode)
                let found = try await storage.recover()
                // There is one write-ahead log, so what is there is a prefix of all jobs of all groups.
                let reached = try await self.reached(storage, found, steps)
                #expect(reached >= answered, "seed \(seed), life \(life)")
                storage.close()
                begin = reached + 1
                while begin < steps.count, steps[begin].continuesSnapshot { begin -= 1 }
            }
            #expect(begin >= 3, "every life did something")
        }
    }

    /// The last of the jobs that the disk holds, and those behind it that change nothing; every group must be as it was
    /// after it.
    private func reached(
        _ storage: RocksStorage, _ found: [RecoveredGroup], _ steps: [GroupHistory.Step]
    ) async throws -> Int {
        var held: [GroupID: (replica: RecoveredReplica, entries: [LogEntry], values: [StorageEntry])] = [:]
        for case .replica(let replica) in found {
            #expect(replica.lost == nil)
            let entries = await storage.load(replica.group, from: replica.log.base.index + 1) ?? []
            held[replica.group] = (replica, entries, await storage.state(replica.group) ?? [])
        }
        func isAs(after step: GroupHistory.Step?) -> Bool {
            guard let step, let group = held[step.job.group] else { return false }
            return step.after?.matches(group.replica, entries: group.entries, values: group.values) == true
        }
        var last = -1
        for group in held.keys {
            let mine = steps.indices.filter { steps[$0].job.group == group }
            var place = try #require(mine.lastIndex { isAs(after: steps[$0]) }, "\(group) is as it never was")
            while place > 0, isAs(after: steps[mine[place - 1]]) { place -= 1 }
            last = max(last, mine[place])
        }
        for case .removed(let group, _, let addedAt) in found {
            let place = steps.indices.last { steps[$0].job.group == group && steps[$0].job.removes(addedAt: addedAt) }
            last = max(last, try #require(place, "\(group) was never removed"))
        }
        for group in held.keys {
            #expect(isAs(after: steps[...last].last { $0.job.group == group }), "\(group)")
        }
        #expect(found.allSatisfy { $0.damage == nil })
        while last + 1 < steps.count, isAs(after: steps[last + 1]) { last += 1 }
        return last
    }

    private func answered(_ folder: String) throws -> Int {
        let text = try String(contentsOfFile: folder + "/answered", encoding: .utf8)
        return text.split(separator: "\n").compactMap { Int($0) }.max() ?? -1
    }
}

/// In a process of its own: goes on with a history, writes down what was answered, and is killed in the middle.
private func runUntilKilled(_ folder: String, seed: UInt64, from begin: Int, life: Int) async {
    var history = GroupHistory(seed: seed)
    var steps: [GroupHistory.Step] = []
    while steps.count < historyLength { steps += history.next() }
    guard let storage = try? RocksStorage(directory: folder + "/db", node: thisNode),
        (try? await storage.recover()) != nil
    else { exit(4) }
    var random = RandomSource(seed: seed &* 31 &+ UInt64(life))
    // However slow the disk, every life gets somewhere: to the first answer.
    var next = begin
    while next < steps.count {
        await storage.perform([steps[next].job])
        next += 1
        if steps[next - 1].isPromise { break }
    }
    let death = Death(after: 1 + Int(random.next(upperBound: 90 as UInt64)))
    let file = unsafe open(folder + "/answered", O_WRONLY | O_CREAT | O_APPEND, 0o600)
    while next < steps.count {
        // Two calls at a time, so that the death finds batches that wait.
        for isLast in [false, true] {
            let indices = next..<min(next + 1 + Int(random.next(upperBound: 6 as UInt64)), steps.count)
            next = indices.upperBound
            let report: @Sendable () -> Void = {
                let line = Array("\(indices.upperBound - 1)\n".utf8)
                _ = unsafe line.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
            }
            death.approach()
            if isLast {
                await storage.perform(steps[indices].map(\.job))
                // A call in which nothing has an answer returns before anything is done.
                if steps[indices].contains(where: { $0.job.hasAnswer }) { report() }
            } else {
                for index in indices { storage.perform([steps[index].job]) { _ in death.approach() } }
            }
        }
    }
    pause()
}

private let historyLength = 1_500

/// Ends the process at a moment that the seed draws: when a call begins, while those before it are being written, or when one
/// is answered, on the thread that writes.
private final class Death: Sendable {
    private let left: Atomic<Int>
    init(after moments: Int) { self.left = Atomic(moments) }

    func approach() {
        if self.left.subtract(1, ordering: .relaxed).newValue == 0 { kill(getpid(), SIGKILL) }
    }
}

extension GroupJob {
    fileprivate func removes(addedAt: LogIndex) -> Bool {
        if case .remove(let id) = self.work { id.addedAt == addedAt } else { false }
    }
}

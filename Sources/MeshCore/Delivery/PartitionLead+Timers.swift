/// What a schedule text means. It is asked by the leader only, and its answer is in the log.
package protocol TimerSchedules: Sendable {
    /// When it is due next after a wall clock, in milliseconds since 1970; nil if never, or if the text means nothing.
    func next(of schedule: String, after wall: UInt64) -> UInt64?
}

/// The timers of a partition as its leader watches them. They lie on the disk in the order in which they are due, so all
/// that is to be known is when the soonest is.
struct TimerWatch: Sendable {
    struct Key: Hashable, Sendable {
        var path: ActorPath
        var timer: TimerID
    }

    /// Wall clock, in milliseconds since 1970; nil if there is none.
    var soonest: UInt64?
    var reading: UInt64?
    /// What the clocks of a quorum said when the read began.
    var agreed: UInt64 = 0
    /// When the clocks of a quorum were asked last.
    var lookedAt = Instant(nanoseconds: 0)
    /// Not looked for before: the clocks did not agree yet, or there is enough under way.
    var notBefore = Instant(nanoseconds: 0)
    /// Under way to the log, by occurrence.
    var firing: [Key: LogIndex] = [:]
    /// When to look again.
    var wakeAt: Instant?

    static let readMax = 64
    static let readBytesMax = 64 << 10
}

// A timer fires by an entry, when the clocks of a quorum are past due: late rather than never, and once.
extension PartitionLead {
    mutating func noteArmed(_ armed: [ArmedTimer]) {
        for timer in armed { self.note(timer.due) }
    }

    /// When the soonest timer is due by the own clock, which is only a hint: whether it is due the clocks of a quorum say.
    mutating func planTimers(in context: LeadContext) {
        self.timers.wakeAt = nil
        guard let soonest = self.timers.soonest, self.timers.reading == nil, self.mayBeginTurns else { return }
        let wait = Duration.milliseconds(soonest > context.wall ? Int64(clamping: soonest - context.wall) : 0)
        // The own clock may be wrong by hours.
        let due = min(context.now + wait, self.timers.lookedAt + self.limits.clockPatience)
        self.timers.wakeAt = max(due, self.timers.notBefore)
    }

    /// Reads what is due, if anything is.
    mutating func lookForTimers(in context: LeadContext, into effects: inout Effects) {
        guard let soonest = self.timers.soonest, self.timers.reading == nil, self.mayBeginTurns,
            self.timers.notBefore <= context.now
        else { return }
        self.timers.lookedAt = context.now
        guard let agreed = context.agreedWall, agreed >= soonest, self.timers.firing.count < TimerWatch.readMax else {
            self.timers.notBefore = context.now + self.limits.leaderPause
            return
        }
        let number = self.number()
        self.timers.reading = number
        self.timers.agreed = agreed
        // Whatever is armed from here on says so itself.
        self.timers.soonest = nil
        self.readings[number] = .timers
        effects.read(
            number,
            [
                .range(
                    prefix: PartitionKeys.dues, start: PartitionKeys.dues,
                    limit: TimerWatch.readMax + self.timers.firing.count, bytesMax: TimerWatch.readBytesMax)
            ])
    }

    mutating func readTimers(_ number: UInt64, _ entries: [StorageEntry]) {
        guard self.timers.reading == number else { return }
        self.timers.reading = nil
        let now = self.timers.agreed
        for entry in entries {
            guard let (due, path, timer) = try? PartitionKeys.timer(ofDue: entry.key),
                let record = try? DueRecord(decoding: entry.value)
            else { continue }
            guard due <= now else { return self.note(due) }
            let key = TimerWatch.Key(path: path, timer: timer)
            guard self.timers.firing[key] != record.occurrence else { continue }
            self.timers.firing[key] = record.occurrence
            // Those that were missed become one.
            let next = record.schedule.isEmpty ? nil : self.schedules.next(of: record.schedule, after: max(due, now))
            self.gather(
                .timer(TimerFired(path: path, timer: timer, occurrence: record.occurrence, next: next)))
        }
        // All of them are due, so there may be more.
        if entries.count >= TimerWatch.readMax { self.note(now) }
    }

    private mutating func note(_ due: UInt64) { self.timers.soonest = min(self.timers.soonest ?? due, due) }

    mutating func fired(_ fired: TimerFired) {
        let key = TimerWatch.Key(path: fired.path, timer: fired.timer)
        if self.timers.firing[key] == fired.occurrence { self.timers.firing[key] = nil }
    }

    /// Its entry was refused: it is still due.
    mutating func notFired(_ fired: TimerFired) {
        self.fired(fired)
        self.timers.soonest = 0
    }
}

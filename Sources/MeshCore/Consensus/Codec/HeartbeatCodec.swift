extension WireWriter {
    package mutating func write(_ heartbeat: Heartbeat) {
        self.write(heartbeat.stamp)
        self.write(heartbeat.asleep.value)
        self.write(UInt16(heartbeat.awake.count))
        for claim in heartbeat.awake {
            self.write(claim.group.number)
            self.write(claim.incarnation)
            self.write(claim.leader)
            self.write(claim.follower)
            self.write(claim.term)
        }
    }

    package mutating func write(_ answer: HeartbeatAnswer) {
        self.write(answer.sleepersAgree)
        self.write(answer.stamp)
        self.write(UInt16(answer.renewed.count))
        for group in answer.renewed { self.write(group.number) }
        self.write(UInt16(answer.deposed.count))
        for deposition in answer.deposed {
            self.write(deposition.group.number)
            self.write(deposition.term)
        }
    }
}

extension WireReader {
    package mutating func heartbeat() throws(WireError) -> Heartbeat {
        var heartbeat = Heartbeat(stamp: try self.instant())
        heartbeat.asleep = ClaimHash(value: try self.read())
        for _ in 0..<(try self.claimCount()) {
            heartbeat.awake.append(
                LeaderClaim(
                    group: GroupID(try self.read()), incarnation: try self.groupIncarnation(), leader: try self.read(),
                    follower: try self.read(), term: try self.read()))
        }
        try self.end()
        return heartbeat
    }

    package mutating func heartbeatAnswer() throws(WireError) -> HeartbeatAnswer {
        let agree = try self.flags(1) != 0
        var answer = HeartbeatAnswer(to: Heartbeat(stamp: try self.instant()))
        answer.sleepersAgree = agree
        for _ in 0..<(try self.claimCount()) { answer.renewed.append(GroupID(try self.read())) }
        for _ in 0..<(try self.claimCount()) {
            answer.deposed.append(.init(group: GroupID(try self.read()), term: try self.read()))
        }
        try self.end()
        return answer
    }

    private mutating func claimCount() throws(WireError) -> Int {
        let place = self.offset
        let count = Int(try self.read(UInt16.self))
        guard count <= Heartbeat.claimsMax else { throw WireError(.tooLong, at: place) }
        return count
    }
}

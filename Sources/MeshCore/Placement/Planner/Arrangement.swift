/// Which members shall hold which partitions: what is wanted now, bettered step by step.
///
/// Nothing is computed from scratch. The replicas that are there stay unless something speaks against them, so that a member
/// that joins takes only its share and one that goes leaves only what it held. What speaks against a replica, in this order:
/// its member must or should go; it is one too many; it shares a zone and need not; its member holds too much.
struct Arrangement {
    /// The result of one partition.
    struct Holders {
        /// Places of members, in ascending order.
        var members: [Int]
        var reason: PlacementChange.Reason?
    }

    private let placement: Placement
    private let view: PlacementView
    private let members: [PlacementView.Member]
    /// The number of each member's zone.
    private let zones: [Int]
    /// May keep what it has.
    private let stays: [Bool]
    /// May get more.
    private let receives: [Bool]
    private let size: Int
    private(set) var holders: [Holders]
    private var balance: LoadBalance

    init(_ view: PlacementView, placement: Placement) {
        self.placement = placement
        self.view = view
        self.members = view.members
        let names = Set(view.members.map(\.zone)).sorted()
        self.zones = view.members.map { member in names.firstIndex(of: member.zone) ?? 0 }
        self.stays = view.members.map { !$0.isDraining && !view.isLost($0) }
        self.receives = view.members.map { !$0.isDraining && $0.isAlive }
        self.size = view.size
        let places = Dictionary(uniqueKeysWithValues: view.members.enumerated().map { ($1.id, $0) })
        self.holders = view.groups.map { group in
            let known = group.wanted.compactMap { places[$0] }
            return Holders(members: known, reason: known.count < group.wanted.count ? .evicted : nil)
        }
        self.balance = LoadBalance(
            shares: Self.shares(view, zones: self.zones, stays: self.stays, size: self.size),
            loads: Array(repeating: 0, count: view.members.count))
    }

    /// In thousandths of a replica. A zone's part is bounded by what the zones can share: with three zones and three
    /// replicas each gets one of every partition, however small it is.
    private static func shares(_ view: PlacementView, zones: [Int], stays: [Bool], size: Int) -> [Int] {
        let each = 1000 * view.groups.count
        let staying = view.members.indices.filter { stays[$0] }
        let zoneCount = (zones.max() ?? -1) + 1
        var counts = Array(repeating: 0, count: zoneCount)
        var weights = counts
        for place in staying {
            counts[zones[place]] += 1
            weights[zones[place]] += view.members[place].weight
        }
        let size = min(size, staying.count)
        // The fewest replicas of a partition that some zone must have, so that all find room.
        let level = (0...size).first { level in counts.reduce(0) { $0 + min($1, level) } >= size } ?? 0
        let zoneShares = fairShares(
            of: size * each, weights: weights,
            bounds: counts.map { min($0, max(level - 1, 0)) * each...min($0, level) * each })
        var shares = Array(repeating: 0, count: view.members.count)
        for zone in 0..<zoneCount {
            let inZone = staying.filter { zones[$0] == zone }
            let parts = fairShares(
                of: zoneShares[zone], weights: inZone.map { view.members[$0].weight },
                bounds: inZone.map { _ in 0...each })
            for (place, part) in zip(inZone, parts) { shares[place] = part }
        }
        return shares
    }

    // MARK: Bettering

    mutating func better() {
        let former = self.holders.map(\.members)
        for group in self.holders.indices { self.holders[group].members.removeAll { !self.stays[$0] } }
        for group in self.holders.indices {
            for member in self.holders[group].members { self.balance.add(member) }
        }
        for group in self.holders.indices {
            self.dropSurplus(group)
            self.fill(group, former: former[group])
        }
        for group in self.holders.indices { self.spread(group) }
        self.even()
    }

    private mutating func dropSurplus(_ group: Int) {
        while self.holders[group].members.count > self.size,
            let worst = self.worst(in: group, among: self.holders[group].members)
        {
            self.take(worst, from: group, .surplus)
        }
    }

    private mutating func fill(_ group: Int, former: [Int]) {
        while self.holders[group].members.count < self.size, let best = self.best(for: group) {
            self.give(best, to: group, self.reason(former: former))
        }
        // Nobody can take their place: a replica that comes back is better than none, and the last one is all there is.
        let isEmpty = self.holders[group].members.isEmpty
        let leaving = former.filter { !self.stays[$0] && (isEmpty || !self.members[$0].isLeaving) }.sorted {
            left, right in
            (self.members[left].isAlive ? 0 : 1, left) < (self.members[right].isAlive ? 0 : 1, right)
        }
        for member in leaving.prefix(max(0, self.size - self.holders[group].members.count)) {
            self.give(member, to: group, nil)
        }
        // Whoever leaves is not replaced where nobody can: that is no want of replicas.
        let isMissed = former.contains { self.members[$0].isLeaving && !self.holders[group].members.contains($0) }
        if isMissed { self.holders[group].reason = self.holders[group].reason ?? .draining }
    }

    private func reason(former: [Int]) -> PlacementChange.Reason {
        let leaving = former.filter { !self.stays[$0] }
        guard !leaving.isEmpty else { return .missing }
        return leaving.contains { self.view.isLost(self.members[$0]) } ? .dead : .draining
    }

    /// One by one, as long as fewer replicas share a zone after it.
    private mutating func spread(_ group: Int) {
        for _ in 0..<self.size {
            let counts = self.zoneCounts(group)
            guard let most = counts.max(), let least = counts.min(), least + 1 < most else { return }
            let crowded = self.holders[group].members.filter { counts[self.zones[$0]] == most && self.stays[$0] }
            guard let giver = self.worst(in: group, among: crowded),
                let taker = self.best(for: group, where: { counts[self.zones[$0]] + 1 < counts[self.zones[giver]] })
            else { return }
            self.take(giver, from: group, .zones)
            self.give(taker, to: group, .zones)
        }
    }

    private mutating func even() {
        var balance = self.balance
        balance.even { giver, taker in
            guard self.stays[giver], self.receives[taker], let group = self.group(from: giver, to: taker) else {
                return false
            }
            self.holders[group].members.removeAll { $0 == giver }
            self.holders[group].members = (self.holders[group].members + [taker]).sorted()
            self.holders[group].reason = self.holders[group].reason ?? .balance
            return true
        }
        self.balance = balance
    }

    // MARK: Choosing

    /// The partition in whose ring the taker is best placed, among those that it can take over from the giver without
    /// crowding a zone. What is moving already is left alone.
    private func group(from giver: Int, to taker: Int) -> Int? {
        self.holders.indices.filter { group in
            let members = self.holders[group].members
            guard members.contains(giver), !members.contains(taker), !self.view.groups[group].isMoving else {
                return false
            }
            if self.zones[giver] == self.zones[taker] { return true }
            let counts = self.zoneCounts(group)
            return counts[self.zones[taker]] < counts[self.zones[giver]]
        }.min { self.distance($0, taker) < self.distance($1, taker) }
    }

    /// Who should get a replica of a partition: in the emptiest zone, with room, first in the ring.
    private func best(for group: Int, where condition: (Int) -> Bool = { _ in true }) -> Int? {
        let counts = self.zoneCounts(group)
        let able = self.members.indices.filter {
            self.receives[$0] && !self.holders[group].members.contains($0) && condition($0)
        }
        guard let emptiest = able.map({ counts[self.zones[$0]] }).min() else { return nil }
        let near = able.filter { counts[self.zones[$0]] == emptiest }
        let withRoom = near.filter { !self.balance.isFull($0) }
        if withRoom.isEmpty { return near.min { self.balance.isFuller($1, than: $0) } }
        return withRoom.min { self.distance(group, $0) < self.distance(group, $1) }
    }

    /// Who should lose its replica first: in the fullest zone, holding too much, last in the ring.
    private func worst(in group: Int, among members: [Int]) -> Int? {
        let counts = self.zoneCounts(group)
        let fullest = members.map { counts[self.zones[$0]] }.max()
        let crowded = members.filter { counts[self.zones[$0]] == fullest }
        let over = crowded.filter { self.balance.isOver($0) }
        return (over.isEmpty ? crowded : over).max { self.distance(group, $0) < self.distance(group, $1) }
    }

    private func zoneCounts(_ group: Int) -> [Int] {
        var counts = Array(repeating: 0, count: (self.zones.max() ?? -1) + 1)
        for member in self.holders[group].members { counts[self.zones[member]] += 1 }
        return counts
    }

    private func distance(_ group: Int, _ member: Int) -> RingDistance {
        self.placement.distance(
            self.view.groups[group].partition, self.members[member].id, weight: self.members[member].weight)
    }

    private mutating func give(_ member: Int, to group: Int, _ reason: PlacementChange.Reason?) {
        self.holders[group].members = (self.holders[group].members + [member]).sorted()
        self.holders[group].reason = self.holders[group].reason ?? reason
        self.balance.add(member)
    }

    private mutating func take(_ member: Int, from group: Int, _ reason: PlacementChange.Reason) {
        self.holders[group].members.removeAll { $0 == member }
        self.holders[group].reason = self.holders[group].reason ?? reason
        self.balance.remove(member)
    }
}

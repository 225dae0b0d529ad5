import MeshCore
import Testing

/// Two partitions whose actors write to each other, with a network between them that loses, repeats and delays.
private struct Pair {
    let groups: [LeadGroup]
    /// An inline actor of each partition, and a hosted one.
    let inline: [String]
    let hosted: [String]
    /// Another inline actor of each.
    let others: [String]

    init(kinds: TestKinds = TestKinds()) {
        let placement = Placement(cluster: ClusterID(high: 3, low: 4), partitions: 2)
        self.groups = [0, 1].map {
            LeadGroup(kinds: kinds, partition: Partition(index: $0), placement: placement, seed: UInt64($0) + 1)
        }
        func find(_ kind: String, _ index: UInt16, after first: Int = 0) -> String {
            (first..<200).map { "/\(kind)/\($0)" }.first { placement.partition(of: path($0)).index == index } ?? ""
        }
        self.inline = [find("inline", 0), find("inline", 1)]
        self.hosted = [find("hosted", 0), find("hosted", 1)]
        self.others = [find("inline", 0, after: 100), find("inline", 1, after: 100)]
        for group in self.groups {
            group.elect(0)
            group.settle()
        }
    }

    /// Every message says where the next goes, and how often; each leaves its count.
    func forward(to next: [String]) {
        for (place, group) in self.groups.enumerated() {
            group.handler = { order, state in
                let count = (state[[0]]?.first ?? 0) + 1
                state[[0]] = [count]
                let left = order.envelope.message.body.first ?? 0
                var letters: [Letter] = []
                if left > 0 {
                    let number = order.envelope.message.id.low &* 1_000 &+ UInt64(left)
                    letters = [
                        Letter(path(next[1 - place]), Envelope(Message(id: id(number), body: [left - 1])))
                    ]
                }
                return .finished(
                    TurnResult(changes: [StateChange(key: [0], value: [count])], keys: 1, letters: letters))
            }
        }
    }

    /// Carries what is under way; `fate` says how often each delivery, and each answer, arrives.
    func carry(_ fate: () -> Int = { 1 }) {
        for _ in 0..<100 {
            for group in self.groups { group.settle() }
            var moved = false
            for (place, group) in self.groups.enumerated() {
                let deliveries = group.deliveries
                group.deliveries = []
                for (delivery, destination) in deliveries {
                    moved = true
                    for _ in 0..<fate() {
                        self.groups[Int(destination.index)].request(
                            .delivery(delivery, from: Requester(node: nil, number: UInt64(place))))
                    }
                }
                let answers = group.deliveryAnswers
                group.deliveryAnswers = []
                for (answer, route) in answers {
                    moved = true
                    for _ in 0..<fate() { self.groups[Int(route.number)].request(.delivered(answer)) }
                }
            }
            if !moved { return }
        }
    }
}

@Suite("A partition's leader and messages between actors")
struct LeadOutboxTests {
    @Test(
        "messages to other partitions arrive once and in order, whatever the network loses and repeats",
        arguments: 0..<8 as Range<UInt64>)
    func chain(seed: UInt64) {
        let pair = Pair()
        pair.forward(to: pair.inline)
        var random = RandomSource(seed: seed)
        pair.groups[0].submit(pair.groups[0].letter(1, to: pair.inline[0], asks: false, body: [9]))
        for _ in 0..<60 {
            pair.carry { Int.random(in: 0...2, using: &random) }
            for group in pair.groups { group.pass(.milliseconds(600)) }
        }
        pair.carry()
        #expect(pair.groups[0].value([0], of: pair.inline[0]) == [5], "seed \(seed)")
        #expect(pair.groups[1].value([0], of: pair.inline[1]) == [5], "seed \(seed)")
        for group in pair.groups { #expect(group.nodes[0].replica.state.waitingOutboxes.isEmpty, "seed \(seed)") }
    }

    @Test("nothing leaves the outbox before the turn that sent it is committed")
    func nothingBeforeCommit() {
        let pair = Pair()
        pair.forward(to: pair.inline)
        pair.groups[0].submit(pair.groups[0].letter(1, to: pair.inline[0], asks: false, body: [1]))
        pair.groups[0].flush()
        #expect(pair.groups[0].ran == [1] && pair.groups[0].deliveries.isEmpty)
        pair.groups[0].commit()
        #expect(pair.groups[0].deliveries.count == 1)
    }

    @Test("what a leader did not bring there, the next one does")
    func nextLeader() {
        let pair = Pair()
        pair.forward(to: pair.inline)
        pair.groups[0].submit(pair.groups[0].letter(1, to: pair.inline[0], asks: false, body: [1]))
        pair.groups[0].settle()
        pair.groups[0].deliveries = []
        pair.groups[0].elect(0)
        pair.carry()
        #expect(pair.groups[1].value([0], of: pair.inline[1]) == [1])
    }

    @Test("a full destination pauses only the actors that send to it, until it has room")
    func fullDestination() {
        let pair = Pair(kinds: TestKinds(mailboxLimit: 3))
        pair.forward(to: pair.hosted)
        let source = pair.groups[0]
        for number in 1...4 {
            source.submit(source.letter(UInt64(number), to: pair.inline[0], asks: false, body: [1]))
            pair.carry()
        }
        // The third made it full; the fourth was not run.
        #expect(source.ran == [1, 2, 3])
        let other = pair.others[0]
        source.submit(source.letter(9, to: other, asks: false, body: [0]))
        source.settle()
        #expect(source.ran == [1, 2, 3, 9])
        for _ in 0..<3 {
            while let run = pair.groups[1].hosted.first {
                pair.groups[1].finish(run)
                pair.carry()
            }
            source.pass(.seconds(2))
            pair.carry()
        }
        #expect(source.ran.contains(4))
    }

    @Test("a full mailbox is asked about when what is in flight is over, and the leader is not due before")
    func asksAfterFlight() {
        let pair = Pair(kinds: TestKinds(mailboxLimit: 3))
        pair.forward(to: pair.hosted)
        let source = pair.groups[0]
        for number in 1...3 {
            source.submit(source.letter(UInt64(number), to: pair.inline[0], asks: false, body: [1]))
            pair.carry()
        }
        source.pass(.milliseconds(500))
        source.submit(source.letter(9, to: pair.others[0], asks: false, body: [1]))
        source.settle()
        let sent = source.deliveries.count
        // The question is due a second after the answer `full`, the delivery is given up half a second later.
        source.pass(.milliseconds(700))
        #expect(source.nodes[0].lead.nextWake > source.now)
        #expect(source.deliveries.count == sent)
        source.pass(.milliseconds(400))
        #expect(source.deliveries.last?.0.asks == [path(pair.hosted[1])])
    }

    @Test("an actor whose own mailbox is full is not paused, so no cycle waits for ever")
    func cycle() {
        let pair = Pair(kinds: TestKinds(mailboxLimit: 2))
        pair.forward(to: pair.inline)
        for (place, group) in pair.groups.enumerated() {
            group.inject(
                (1...4).map { number in
                    var letter = group.letter(UInt64(place * 10 + number), to: pair.inline[place], asks: false)
                    letter.envelope.message.body = [3]
                    return .enqueue(Enqueue(letter))
                })
        }
        for _ in 0..<40 {
            pair.carry()
            for group in pair.groups { group.pass(.milliseconds(500)) }
        }
        #expect(pair.groups.allSatisfy { $0.nodes[0].replica.state.totals.messages == 0 })
        let processed = zip(pair.groups, pair.inline).map { Int($0.value([0], of: $1)?.first ?? 0) }
        #expect(processed.reduce(0, +) == 32)
    }

    @Test("letters that belong to another partition are not taken")
    func foreignLetters() {
        let pair = Pair()
        let letter = Letter(path(pair.inline[0]), Envelope(Message(id: id(1), body: [0])))
        let delivery = Delivery(source: Partition(index: 0), stream: 1, first: 1, letters: [letter])
        pair.groups[1].request(.delivery(OutboxDelivery(delivery), from: Requester(node: nil, number: 0)))
        pair.groups[1].settle()
        #expect(pair.groups[1].deliveryAnswers.isEmpty && pair.groups[1].commands.isEmpty)
    }
}

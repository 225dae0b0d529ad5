import MeshCore
import Testing

/// Grants, turns and what refuses them.
@Suite struct TurnTests {
    @Test("a message that comes to an idle actor is queued, granted for, processed and gone in one entry")
    func combined()
        throws
    {
        var partition = TestPartition()
        let turn = turn(
            .granted(grant(expects: nil)), 1, base: 0, changes: [StateChange(key: [1], value: [2, 3])])
        let outcome = try partition.apply(.enqueueAndTurn(Enqueue(letter(1)), outcome: .reply([9]), turn))
        let token = partition.token
        #expect(
            outcome
                == .enqueueAndTurn(.accepted(normal(0)), .applied(TurnOutcome.Applied(token: token, version: 1))))
        #expect(partition.replica.state.totals.messages == 0)
        #expect(partition.replica.state.outcome(of: id(1)) == .reply([9]))
        let value = try #require(partition.replica.disk[PartitionKeys.value(path("/a"), [1])])
        #expect(try StateValue(decoding: value) == StateValue(version: 1, bytes: [2, 3]))
        // The message itself was never written: the actor, its value, and the sums.
        #expect(partition.replica.lastChanges == 3)
        #expect(partition.replica.disk.range(PartitionKeys.messages(of: path("/a"))).isEmpty)
    }

    @Test("a combined turn that fails its checks leaves its message in the mailbox") func combinedRefused() throws {
        var partition = TestPartition()
        let stale = turn(.granted(grant(expects: nil)), 1, base: 5)
        let outcome = try partition.apply(.enqueueAndTurn(Enqueue(letter(1)), outcome: nil, stale))
        #expect(outcome == .enqueueAndTurn(.accepted(normal(0)), .refused(.staleVersion(current: 0))))
        let actor = try #require(partition.replica.state.actor(path("/a")))
        #expect(actor.first == normal(0))
        #expect(partition.replica.disk[PartitionKeys.message(path("/a"), normal(0))] == letter(1).envelope.encoded())
    }

    @Test("a combined turn whose message is a duplicate is not applied") func combinedDuplicate() throws {
        var partition = TestPartition()
        let first = turn(.granted(grant(expects: nil)), 1, base: 0)
        _ = try partition.apply(.enqueueAndTurn(keyed(1, key: 1), outcome: .reply([7]), first))
        let again = turn(.token(partition.token), 2, base: 1, changes: [StateChange(key: [1], value: [1])])
        let outcome = try partition.apply(.enqueueAndTurn(keyed(2, key: 1), outcome: .reply([8]), again))
        #expect(
            outcome == .enqueueAndTurn(.duplicate(of: id(1), .finished(.reply([7]))), .refused(.notEnqueued)))
        #expect(partition.replica.disk[PartitionKeys.value(path("/a"), [1])] == nil)
    }

    @Test("a grant gives its entry's place, greater than any token before, and only to who knows the last one")
    func grants() throws {
        var partition = TestPartition()
        #expect(
            try partition.apply(.grant(path("/a"), grant(expects: nil)))
                == .grant(.granted(partition.token, version: 0, attempts: 1)))
        let first = partition.token
        #expect(try partition.apply(.grant(path("/a"), grant(expects: nil))) == .grant(.stale(current: first)))
        #expect(
            try partition.apply(.grant(path("/a"), grant(expects: first, host: otherHost)))
                == .grant(.granted(partition.token, version: 0, attempts: 1)))
        #expect(partition.token > first)
        #expect(partition.replica.state.actor(path("/a"))?.holder?.host == otherHost)
    }

    @Test("one entry grants one actor once, even to who guesses the token") func oneGrantPerEntry() throws {
        var partition = TestPartition()
        let guess = FencingToken(incarnation: partition.log.incarnation, index: partition.log.last + 1)
        let outcomes = try partition.apply([
            .grant(path("/a"), grant(expects: nil)), .grant(path("/a"), grant(expects: guess, host: otherHost)),
            .grant(path("/b"), grant(expects: nil)),
        ])
        #expect(outcomes[0] == .grant(.granted(guess, version: 0, attempts: 1)))
        #expect(outcomes[1] == .grant(.stale(current: guess)))
        #expect(outcomes[2] == .grant(.granted(guess, version: 0, attempts: 1)))
    }

    @Test("a token is worth nothing after another grant, though remote and local activations follow each other")
    func remoteThenLocal() throws {
        var partition = TestPartition()
        _ = try partition.apply(.grant(path("/a"), grant(expects: nil, host: otherHost)))
        let remote = partition.token
        _ = try partition.apply(enqueue(1))
        // The local activation's grant rides in its first turn.
        let local = turn(.granted(grant(expects: remote)), 1, base: 0, consumed: [consume(0, id: 1)])
        #expect(applied(try partition.apply(.turn(local)))?.version == 1)
        let token = partition.token
        let late = turn(.token(remote), 1, base: 1)
        #expect(refusal(try partition.apply(.turn(late))) == .staleToken(current: token))
        // Nor may a riding grant come twice.
        let again = turn(.granted(grant(expects: remote)), 1, base: 1)
        #expect(
            refusal(try partition.apply(.turn(again))) == .notGranted(.stale(current: token)))
    }

    @Test("turns of one entry can use the grant that an earlier command of it brought") func thisEntry() throws {
        var partition = TestPartition()
        let outcomes = try partition.apply([
            enqueue(1), .grant(path("/a"), grant(expects: nil, head: normal(0))),
            .turn(turn(.thisEntry, 1, base: 0, consumed: [consume(0, id: 1)])),
            .enqueueAndTurn(Enqueue(letter(2)), outcome: nil, turn(.thisEntry, 2, base: 1)),
        ])
        #expect(applied(outcomes[2])?.version == 1)
        #expect(applied(outcomes[3])?.version == 2)
        let next = try partition.apply(.turn(turn(.thisEntry, 3, base: 2)))
        #expect(refusal(next) != nil, "the entry has no grant")
    }

    @Test("a turn is applied once, whatever its basis says") func repeated() throws {
        var partition = TestPartition()
        _ = try partition.apply(.grant(path("/a"), grant(expects: nil)))
        let token = partition.token
        var reentrant = turn(.token(token), 1, base: 0)
        reentrant.basis = .reads([])
        #expect(applied(try partition.apply(.turn(reentrant)))?.version == 1)
        #expect(refusal(try partition.apply(.turn(reentrant))) == .repeated)
        // The activation goes on: nothing of it was lost.
        reentrant.number = 3
        #expect(applied(try partition.apply(.turn(reentrant)))?.version == 2)
        reentrant.number = 2
        #expect(applied(try partition.apply(.turn(reentrant)))?.version == 3)
        #expect(refusal(try partition.apply(.turn(reentrant))) == .repeated)
        reentrant.number = 1_000
        #expect(applied(try partition.apply(.turn(reentrant))) != nil)
        reentrant.number = 900
        #expect(refusal(try partition.apply(.turn(reentrant))) == .repeated, "too old to know")
    }

    @Test("a turn that was not applied ends its activation") func ended() throws {
        var partition = TestPartition()
        _ = try partition.apply(.grant(path("/a"), grant(expects: nil)))
        let token = partition.token
        #expect(refusal(try partition.apply(.turn(turn(.token(token), 1, base: 4)))) == .staleVersion(current: 0))
        #expect(
            refusal(try partition.apply(.turn(turn(.token(token), 2, base: 0)))) == .staleToken(current: token))
        #expect(
            try partition.apply(.grant(path("/a"), grant(expects: token)))
                == .grant(.granted(partition.token, version: 0, attempts: 1)))
    }

    @Test("a reentrant turn is refused if a key that it read was written since, and only then") func reads() throws {
        var partition = TestPartition()
        _ = try partition.apply(.grant(path("/a"), grant(expects: nil)))
        let token = partition.token
        func turn(_ number: UInt64, reads: [KeyRead], writes: [UInt8]) -> PartitionCommand {
            .turn(
                Turn(
                    path: path("/a"), fence: .token(token), number: number, basis: .reads(reads),
                    changes: [StateChange(key: writes, value: [0])]))
        }
        #expect(
            applied(try partition.apply(turn(1, reads: [KeyRead(key: [1], version: 0)], writes: [1])))?.version == 1)
        #expect(
            applied(try partition.apply(turn(2, reads: [KeyRead(key: [2], version: 0)], writes: [2])))?.version == 2)
        #expect(
            applied(try partition.apply(turn(3, reads: [KeyRead(key: [1], version: 1)], writes: [1])))?.version == 3)
        #expect(
            refusal(try partition.apply(turn(4, reads: [KeyRead(key: [1], version: 1)], writes: [1])))
                == .staleRead(key: [1], current: 3))
    }

    @Test("no message is consumed twice, by one turn or by several") func consumedOnce() throws {
        var partition = TestPartition()
        _ = try partition.apply([enqueue(1), enqueue(2), .grant(path("/a"), grant(expects: nil))])
        let token = partition.token
        let twice = turn(.token(token), 1, base: 0, consumed: [consume(0, id: 1), consume(0, id: 1)])
        #expect(refusal(try partition.apply(.turn(twice))) == .notQueued(normal(0)))
        #expect(partition.replica.state.totals.messages == 2, "a refused turn changes nothing")
        let fresh = turn(.granted(grant(expects: token)), 1, base: 0, consumed: [consume(1, id: 2)])
        #expect(applied(try partition.apply(.turn(fresh))) != nil)
        let again = turn(.token(partition.token), 2, base: 1, consumed: [consume(1, id: 2)])
        #expect(refusal(try partition.apply(.turn(again))) == .notQueued(normal(1)))
        #expect(partition.replica.state.actor(path("/a"))?.first == normal(0))
    }

    @Test("a fourth grant for a message that killed three hosts is refused, and a turn of the actor pardons it")
    func poison() throws {
        var partition = TestPartition()
        _ = try partition.apply(enqueue(1))
        for attempt in 1...3 {
            let expects = partition.replica.state.actor(path("/a"))?.token
            #expect(
                try partition.apply(.grant(path("/a"), grant(expects: expects, head: normal(0))))
                    == .grant(.granted(partition.token, version: 0, attempts: attempt)))
            try partition.replica.restart()
        }
        let token = partition.token
        #expect(
            try partition.apply(.grant(path("/a"), grant(expects: token, head: normal(0))))
                == .grant(.exhausted(normal(0))))
        let failure = Failure(
            path: path("/a"), token: nil, consumption: consume(0, id: 1), reason: "kills its hosts",
            disposition: .deadLetter)
        #expect(try partition.apply(.fail(failure)) == .failure(.deadLetter(1, dropped: []), outbox: []))
        _ = try partition.apply(enqueue(2))
        #expect(
            try partition.apply(.grant(path("/a"), grant(expects: token, head: normal(1))))
                == .grant(.granted(partition.token, version: 0, attempts: 1)), "innocent of what came before it")
        #expect(applied(try partition.apply(.turn(turn(.token(partition.token), 1, base: 0)))) != nil)
        #expect(partition.replica.state.actor(path("/a"))?.trials == [])
    }

    @Test("an actor without anything is forgotten, and its offsets never come again") func released() throws {
        var partition = TestPartition()
        _ = try partition.apply(
            .enqueueAndTurn(Enqueue(letter(1)), outcome: nil, turn(.granted(grant(expects: nil)), 1, base: 0)))
        let token = partition.token
        let release = Release(path: path("/a"), token: token, hasState: false)
        #expect(try partition.apply(.release(release)) == .release(true))
        #expect(try partition.apply(.release(release)) == .release(false))
        #expect(partition.replica.disk[PartitionKeys.actor(path("/a"), isBusy: false)] == nil)
        #expect(try partition.apply(enqueue(2)) == .enqueue(.accepted(normal(1))))
    }
}

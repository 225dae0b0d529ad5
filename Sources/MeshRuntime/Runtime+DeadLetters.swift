internal import MeshCore

// What operators see of dead letters and do with them, wherever their partitions are led.

extension Runtime {
    /// How many one order may name or find.
    private static let actsMax = 10_000
    private static let actPatience = Duration.seconds(10)
    private static let retryPause = Duration.milliseconds(100)

    /// A page of them, in order of ids; of the members that answer in time.
    package func deadLetters(_ page: DeadLetterPage) async throws -> DeadLettersView {
        let deadline = MonotonicClock.now + self.configuration.listingTimeout
        let local = self.directory.localID
        return await withTaskGroup(of: (NodeID, [DeadLetterAnswer.Entry]?).self) { group in
            for node in Set(self.directory.placeable + [local]) {
                group.addTask {
                    guard case .list(let entries) = await self.ask(node, .list(page), deadline: deadline) else {
                        return (node, nil)
                    }
                    return (node, entries)
                }
            }
            var found: [DeadLetterID: DeadLetterRecord] = [:]
            var missing: [String] = []
            for await (node, entries) in group {
                // One that has not heard of its successor yet may tell of the same letters.
                for entry in entries ?? [] { found[entry.id] = entry.record }
                if entries == nil { missing.append(self.name(of: node)) }
            }
            let letters = found.sorted { $0.key < $1.key }.prefix(page.limit)
            return DeadLettersView(
                dead_letters: letters.map { DeadLetterView($0.key, $0.value) },
                next: letters.count == page.limit ? letters.last?.key.description : nil, missing: missing.sorted())
        }
    }

    /// One with its body.
    package func deadLetter(_ id: DeadLetterID) async throws -> (letter: DeadLetterView, body: [UInt8]) {
        switch try await self.askLeader(of: id.partition, .show(id)) {
        case .letter(let entry, let envelope):
            return (DeadLetterView(entry.id, entry.record), envelope.message.body)
        case .refused(let error): throw error
        default:
            throw MeshError(
                .notFound, "there is no dead letter \(id)",
                hint: "'meshnode deadletters list' shows those that there are")
        }
    }

    /// Those named, or all of the paths that begin with a text, as they are when this begins.
    package func act(
        _ action: DeadLetterAction, on selection: DeadLetterSelection
    ) async throws -> DeadLetterResultView {
        var view = DeadLetterResultView()
        var ids: [DeadLetterID] = []
        switch selection {
        case .named(let named):
            guard named.count <= Self.actsMax else {
                throw MeshError(.invalidArgument, "\(named.count) dead letters at once; \(Self.actsMax) are the most")
            }
            ids = Array(Set(named)).sorted()
        case .under(let prefix):
            var page = DeadLetterPage(prefix: prefix)
            while ids.count < Self.actsMax {
                let part = try await self.deadLetters(page)
                view.unreached = part.missing
                ids += part.dead_letters.compactMap { DeadLetterID($0.id) }
                guard let next = part.next.flatMap({ DeadLetterID($0) }) else { break }
                page.after = next
                view.more = ids.count >= Self.actsMax
            }
        }
        for (partition, ids) in Dictionary(grouping: ids, by: \.partition).sorted(by: { $0.key < $1.key }) {
            var rest = ids.map(\.number)[...]
            while !rest.isEmpty {
                let part = Array(rest.prefix(DeadLetterCommand.numbersMax))
                rest = rest.dropFirst(part.count)
                let done = Set(try await self.act(action, partition, part))
                for number in part {
                    let id = DeadLetterID(partition: partition, number: number).description
                    if done.contains(number) { view.done.append(id) } else { view.absent.append(id) }
                }
            }
        }
        return view
    }

    private func act(_ action: DeadLetterAction, _ partition: Partition, _ numbers: [UInt64]) async throws -> [UInt64] {
        switch try await self.askLeader(of: partition, .act(action, partition, numbers)) {
        case .done(let done): return done
        case .refused(let error): throw error
        default: throw MeshError(.internalError, "the leader of \(partition) answered something else")
        }
    }

    // MARK: Asking

    /// Asks whoever leads, again while leadership moves. Nothing is done twice: what was done once is gone.
    private func askLeader(of partition: Partition, _ query: DeadLetterQuery) async throws -> DeadLetterAnswer {
        let partitions = self.partitions
        guard Int(partition.index) < partitions.configuration.placement.partitions else { return .missing }
        let deadline = MonotonicClock.now + Self.actPatience
        var named: NodeID?
        while MonotonicClock.now < deadline {
            let leader = named ?? partitions.surroundings.service(of: partition)?.leader(of: partition)
            let target = leader ?? self.directory.placeable.randomElement() ?? self.directory.localID
            let patience = min(deadline, MonotonicClock.now + self.configuration.listingTimeout)
            switch await self.ask(target, query, deadline: patience) {
            case .elsewhere(let leader): named = leader
            case nil: named = nil
            case let answer?: return answer
            }
            try await Task.sleep(for: Self.retryPause)
        }
        throw MeshError(
            .unavailable, "nobody who leads \(partition) answered within \(Self.actPatience)",
            hint: "'meshnode partitions --lacking' shows what it lacks", accepted: .unknown, retryAfter: .seconds(1))
    }

    private func ask(_ node: NodeID, _ query: DeadLetterQuery, deadline: Instant) async -> DeadLetterAnswer? {
        guard node == self.directory.localID else {
            let body = await self.ask(node, .deadLetters(query), deadline: deadline)
            return body.flatMap { try? DeadLetterAnswer(decoding: $0) }
        }
        let answer = try? await self.requests.perform(to: nil, deadline: deadline) { number in
            self.partitions.answer(query) { self.requests.answered(number, by: nil, .listing($0.encoded())) }
        }
        guard case .listing(let body) = answer else { return nil }
        return try? DeadLetterAnswer(decoding: body)
    }
}

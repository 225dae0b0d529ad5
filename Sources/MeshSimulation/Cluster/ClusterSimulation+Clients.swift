internal import MeshCore
internal import MeshRuntime

/// Clients: what they want, whom they ask, and what they make of the answers.
extension ClusterSimulation {
    /// An attempt is over for its client after this.
    private static var attemptTimeout: Duration { .seconds(3) }

    /// Begins the next operation of a client, unless it is time to let everything come to rest.
    mutating func think(_ client: Int) {
        guard self.now < self.scenario.quietAt else { return }
        guard let operation = self.draw(for: client) else { return self.rest(client) }
        self.clients[client].operation = operation
        self.attempt(client)
    }

    /// How long a client waits between two operations follows from how many are wanted.
    private mutating func rest(_ client: Int) {
        let rate = max(1, self.scenario.operations * self.scenario.groups)
        let mean = Duration.nanoseconds(1_000_000_000 * Int64(self.clients.count) / Int64(rate))
        self.queue.schedule(.client(client), at: self.now + self.random.duration(in: .microseconds(100)...(mean * 2)))
    }

    // MARK: Drawing

    /// Nil: the group rests.
    private mutating func draw(for client: Int) -> ClusterOperation? {
        let wish = self.drawWish(for: client)
        guard let path = ClusterOperation.path(of: wish) else { return nil }
        let group = Int(self.placement.partition(of: path).index)
        guard !self.isResting(group) else { return nil }
        if self.clients[client].manner == .session, self.clients[client].sessions[group] == nil {
            return ClusterOperation(.session, group: group, begun: self.now)
        }
        var operation = ClusterOperation(wish, group: group, begun: self.now)
        if case .send(let stop) = wish { self.clients[client].sent[Int(stop.origin)] = stop.number }
        var message = Message(id: MessageID(using: &self.random), body: ClusterOperation.body(of: wish))
        switch self.clients[client].manner {
        case .plain: break
        case .keyed: message.idempotency = Fingerprint(ofKey: "\(message.id)", path: path)
        case .session:
            operation.request = self.clients[client].sessions[group].map {
                Enqueue.Request(session: $0.id, number: $0.next)
            }
        }
        operation.letter = Letter(path, Envelope(message, kind: operation.isAsk ? .ask : .tell))
        return operation
    }

    private mutating func drawWish(for client: Int) -> ClusterOperation.Wish {
        self.lastValue += 1
        let value = self.lastValue
        let register = self.drawObject(of: ClusterOperation.registers)
        let queue = self.drawObject(of: ClusterOperation.queues)
        switch self.random.below(20) {
        case 0..<5: return .register(register, .read(nil))
        case 5..<7: return .register(register, .write(value))
        case 7:
            let old = self.clients[client].seen[register] ?? 0
            return .register(register, .cas(old: old, new: value, answer: nil))
        case 8..<10: return .queue(queue, .push(value))
        case 10..<12: return .queue(queue, .pop(nil))
        case 12..<14: return .add(counter: self.drawObject(of: ClusterOperation.counters), 1 + Int64(value % 3))
        default:
            let origin = self.drawObject(of: ChainActor.count)
            let detour = ChainActor.Detour(rawValue: UInt8(self.random.below(3))) ?? .none
            return .send(
                ChainActor.Stop(
                    client: self.clients[client].name, origin: UInt16(origin),
                    number: (self.clients[client].sent[origin] ?? 0) + 1, hops: UInt8(self.random.below(4)),
                    detour: detour))
        }
    }

    /// In half of the runs half of all that is asked is asked of one object of each sort, so that turns of an actor are run on
    /// top of turns that are not committed yet.
    private mutating func drawObject(of count: Int) -> Int {
        self.hasFavourites && self.random.below(2) == 0 ? 0 : self.random.below(count)
    }

    /// Groups rest four of every eight seconds, except at the end.
    private func isResting(_ group: Int) -> Bool {
        guard self.plan.kinds.contains(.idle), self.now < self.scenario.healAt else { return false }
        let second = Int((self.now - .zero) / .seconds(1))
        // Now and then somebody asks anyway.
        return (second + group) % 8 >= 4 && self.now.nanoseconds % 16 != 0
    }

    // MARK: Asking

    /// At any node that runs; it sends the request on to who leads, as far as it knows.
    mutating func attempt(_ client: Int) {
        guard var operation = self.clients[client].operation else { return }
        let running = self.hosts.indices.filter { self.hosts[$0].process?.pausedUntil == nil }
            .filter { self.hosts[$0].process != nil }
        guard !running.isEmpty else { return self.again(client, after: .milliseconds(100)) }
        let host = running[self.random.below(running.count)]
        guard let process = self.hosts[host].process else { return }
        self.lastAttempt += 1
        operation.attempt = self.lastAttempt
        operation.tries += 1
        let group = GroupID(UInt32(operation.group))
        let target = operation.target ?? self.guess(group, process)
        operation.target = nil
        var isRetry = operation.isUncertain
        if isRetry, self.clients[client].manner == .keyed, self.random.below(2) == 0 {
            // As another process asks that has the key, and knows of no try before.
            operation.letter?.envelope.message.id = MessageID(using: &self.random)
            isRetry = false
        }
        self.clients[client].operation = operation
        self.attempts[self.lastAttempt] = Attempt(client: client, host: host, life: process.life)
        let requester = Requester(node: process.id, number: self.lastAttempt)
        let request: PartitionRequest =
            if let letter = operation.letter {
                .message(
                    MessageRequest(
                        requester: requester, letter: letter, session: operation.request,
                        isRetry: isRetry, patience: .milliseconds(2_500)))
            } else {
                .openSession(requester)
            }
        self.tell(.request(group, request), to: target, from: host)
        self.queue.schedule(.timeout(client, attempt: self.lastAttempt), at: self.now + Self.attemptTimeout)
    }

    private mutating func again(_ client: Int, after delay: Duration) {
        self.queue.schedule(.attempt(client, after: self.clients[client].operation?.attempt ?? 0), at: self.now + delay)
    }

    mutating func attempt(_ client: Int, after attempt: UInt64) {
        guard self.clients[client].operation?.attempt == attempt else { return }
        self.attempt(client)
    }

    mutating func timeout(_ client: Int, attempt: UInt64) {
        guard self.clients[client].operation?.attempt == attempt else { return }
        self.attempts[attempt] = nil
        self.uncertain(client, after: .milliseconds(10))
    }

    // MARK: Answers

    mutating func answered(_ number: UInt64, _ answer: PartitionAnswer, on host: Int) {
        guard let attempt = self.attempts[number], attempt.host == host,
            self.hosts[host].process?.life == attempt.life,
            let operation = self.clients[attempt.client].operation, operation.attempt == number
        else { return }
        let client = attempt.client
        switch answer {
        case .accepted:
            if !operation.isAsk { self.end(client, .done([])) }
        case .outcome(_, .reply(let body)): self.end(client, .done(body))
        case .outcome(_, .failed(let error)): self.failed(client, operation, error)
        case .session(let id):
            self.clients[client].sessions[operation.group] = ClusterClient.Session(id: id)
            self.counters.sessions += 1
            self.end(client, .done([]))
        case .sessionExpired: self.partitions.report("sessions are kept", at: self.now, "\(operation) is expired")
        case .outOfOrder(_, let expected):
            self.partitions.report(
                "sessions know what was acknowledged", at: self.now,
                "client \(client) is at \(operation.request?.number ?? 0), the partition expects \(expected)")
        case .elsewhere(let node):
            self.clients[client].operation?.target = node
            self.hosts[host].process?.leaders[GroupID(UInt32(operation.group))] = node
            // Whoever was named may not be ready.
            let isLost = node == nil || operation.tries % 4 == 3
            self.again(client, after: isLost ? .milliseconds(50) : .microseconds(300))
        case .refused: self.again(client, after: .milliseconds(100))
        case .deadLetters: break
        }
    }

    private mutating func failed(_ client: Int, _ operation: ClusterOperation, _ error: MeshError) {
        let pause = error.retryAfter ?? .milliseconds(50)
        switch error.accepted {
        case .yes where !operation.isAsk: self.end(client, .done([]))
        case .yes:
            let mayAskAgain = self.clients[client].manner == .keyed && error.code != .handlerFailed
            mayAskAgain ? self.uncertain(client, after: pause) : self.end(client, .unknown)
        case .unknown: self.uncertain(client, after: pause)
        case .no:
            if error.code == .conflict {
                self.partitions.report("keys stand for bodies", at: self.now, "client \(client): \(error)")
            }
            let givesUp = self.clients[client].manner == .plain && operation.tries >= 8
            givesUp ? self.end(client, .failed) : self.again(client, after: pause)
        }
    }

    /// It may have been done. Who has nothing that tells a repetition apart does not repeat.
    private mutating func uncertain(_ client: Int, after pause: Duration) {
        guard let operation = self.clients[client].operation else { return }
        self.clients[client].operation?.isUncertain = true
        if self.clients[client].manner == .plain, operation.letter != nil { return self.end(client, .unknown) }
        self.counters.retries += 1
        self.again(client, after: pause)
    }

    private mutating func end(_ client: Int, _ end: ClusterOperation.End) {
        guard let operation = self.clients[client].operation else { return }
        self.clients[client].operation = nil
        self.attempts[operation.attempt] = nil
        if case (.send, .unknown) = (operation.wish, end) { self.clients[client].name += UInt32(self.clients.count) }
        if operation.request != nil { self.clients[client].sessions[operation.group]?.next += 1 }
        self.note(operation, end, of: client)
        self.trace.record(self.now.nanoseconds, UInt64(client), operation.attempt)
        if let text = self.history.record(operation, end, by: client, at: self.now) {
            self.partitions.report("answers make sense", at: self.now, text)
        }
        self.rest(client)
    }

    private mutating func note(_ operation: ClusterOperation, _ end: ClusterOperation.End, of client: Int) {
        guard case .done(let body) = end else {
            self.counters.unanswered += 1
            return
        }
        switch operation.wish {
        case .session: break
        case .register(let index, let wish):
            if let answer = BuiltInAnswer(body) { self.clients[client].seen[index] = ValueID(answer.value) }
            if case .read = wish { self.counters.reads += 1 } else { self.counters.writes += 1 }
        case .queue, .add, .send: self.counters.writes += 1
        }
    }
}

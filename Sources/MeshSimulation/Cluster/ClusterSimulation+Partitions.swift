internal import MeshCore
internal import MeshRuntime

/// What a daemon does for its partitions: brings requests to leaders and answers back, carries outboxes from partition to
/// partition, has turns run, and finds hosts for activations.
extension ClusterSimulation {
    /// Does what the leads of a node want. What can be answered at once is returned, and joins the shard's turn.
    mutating func serve(
        _ outputs: [(group: GroupID, output: PartitionOutput)], _ process: ClusterProcess, on host: Int
    ) -> [PartitionShard.Input] {
        var inputs: [PartitionShard.Input] = []
        for (group, output) in outputs {
            switch output {
            case .answer(let requester, let answer):
                self.tell(.answer(requester.number, answer), to: requester.node ?? process.id, from: host)
            case .run(let order, let target):
                if let input = self.run(order, of: group, on: target, process, host) { inputs.append(input) }
            case .release(let id, _, let target):
                if target.node == process.id {
                    process.service.release(id, of: group)
                } else {
                    self.tell(.release(group, id), to: target.node, from: host)
                }
            case .check(let id, _, let order, let target):
                self.tell(.check(group, id, order: order), to: target.node, from: host)
            case .place(let query):
                let running = self.hosts.indices.compactMap { self.hosts[$0].process }
                let chosen = running[self.random.below(running.count)]
                inputs.append(.request(group, .placed(query.id, .at(chosen.host))))
            case .deliver(let delivery, let destination):
                // The answer has to find back to this partition.
                let route = Requester(node: process.id, number: UInt64(group.number))
                let target = GroupID(UInt32(destination.index))
                self.counters.deliveries += 1
                self.tell(
                    .request(target, .delivery(delivery, from: route)), to: self.guess(target, process), from: host)
            case .deliveryAnswer(let answer, let route):
                self.tell(answer, to: route, process, from: host)
            case .events, .noted, .drained: break
            }
        }
        return inputs
    }

    /// A turn that is inline is over at once; others take a while, and their report may be lost.
    private mutating func run(
        _ order: TurnOrder, of group: GroupID, on target: ActivationHost, _ process: ClusterProcess, _ host: Int
    ) -> PartitionShard.Input? {
        self.counters.partitionTurns += 1
        let isInline = (try? self.kinds.kind(of: order.path))?.isInline ?? true
        guard isInline else {
            self.tell(.run(group, order, on: target), to: target.node, from: host)
            return nil
        }
        let answer = process.service.run(order, of: group, wall: self.wall)
        return self.request(answer, order).map { .request(group, $0) }
    }

    private func request(_ answer: PartitionService.Answer, _ order: TurnOrder) -> PartitionRequest? {
        switch answer {
        case .report(let report): .turn(report)
        case .disowned: .disowned(order.activation)
        case .repeated: nil
        }
    }

    /// Who leads a group, as far as a node knows; anybody who may, if it does not.
    mutating func guess(_ group: GroupID, _ process: ClusterProcess) -> NodeID {
        let wanted = self.wanted[Int(group.number)]
        let known = process.leader(of: group) ?? process.leaders[group]
        // Of a node that is gone for good membership tells.
        if self.random.below(64) != 0, let known, self.places[known] != nil { return known }
        return wanted.isEmpty ? process.id : wanted[self.random.below(wanted.count)]
    }

    /// The group is not here.
    mutating func strayed(_ request: PartitionRequest, _ group: GroupID, _ process: ClusterProcess, on host: Int) {
        switch request {
        case .message(let request):
            self.tell(
                .answer(request.requester.number, .elsewhere(nil)), to: request.requester.node ?? process.id, from: host
            )
        case .openSession(let requester), .deadLetters(_, let requester):
            self.tell(.answer(requester.number, .elsewhere(nil)), to: requester.node ?? process.id, from: host)
        case .delivery(let delivery, let route):
            let destination = Partition(index: UInt16(group.number))
            let answer = DeliveryAnswer(
                destination: destination, stream: delivery.delivery.stream, verdict: .later)
            self.tell(answer, to: route, process, from: host)
        case .delivered, .turn, .renewed, .missing, .disowned, .hostGone, .placed, .kindsChanged, .drain, .resume:
            break
        }
    }

    /// The route of a delivery names the partition that it came from.
    private mutating func tell(
        _ answer: DeliveryAnswer, to route: Requester, _ process: ClusterProcess, from host: Int
    ) {
        let destination = GroupID(UInt32(answer.destination.index))
        let leader = process.leader(of: destination)
        self.tell(
            .delivered(GroupID(UInt32(route.number)), answer, leader: leader), to: route.node ?? process.id, from: host)
    }

    // MARK: Between nodes

    /// Over a stream, so nothing comes twice; what is lost is lost with its connection.
    mutating func tell(_ message: PartitionMessage, to node: NodeID, from host: Int) {
        guard let process = self.hosts[host].process, let target = self.places[node] else { return }
        guard target != host else {
            let delay = self.random.duration(in: .microseconds(1)...(.microseconds(20)))
            return self.queue.schedule(.message(to: target, message, for: node, from: process.id), at: self.now + delay)
        }
        self.counters.partitionMessages += 1
        guard let time = self.arrival(from: host, to: target) else { return }
        self.queue.schedule(.message(to: target, message, for: node, from: process.id), at: time)
    }

    mutating func receive(_ message: PartitionMessage, for node: NodeID, from sender: NodeID, on host: Int) {
        guard let process = self.hosts[host].process, process.id == node else { return }
        if let until = process.pausedUntil, !message.isForShard {
            let time = until + .microseconds(1)
            return self.queue.schedule(.message(to: host, message, for: node, from: sender), at: time)
        }
        switch message {
        case .request(_, .message(let request))
        where self.now >= self.scenario.quietAt && self.attempts[request.requester.number] == nil:
            // As late as this the stream that it came on has ended long ago.
            break
        case .request(let group, let request): self.submit(.shard(.request(group, request)), to: group, on: host)
        case .delivered(let group, let answer, let leader):
            process.leaders[GroupID(UInt32(answer.destination.index))] = leader
            self.submit(.shard(.request(group, .delivered(answer))), to: group, on: host)
        case .answer(let number, let answer): self.answered(number, answer, on: host)
        case .release(let group, let id): process.service.release(id, of: group)
        case .check(let group, let id, let order):
            self.tell(.request(group, process.service.check(id, order: order, of: group)), to: sender, from: host)
        case .run(let group, let order, let target):
            var request: PartitionRequest? = .disowned(order.activation)
            // Ordered of an earlier life of this node.
            if target == process.host {
                let answer = process.service.run(order, of: group, wall: self.wall)
                request = self.request(answer, order)
            }
            guard let request else { return }
            let delay = self.random.duration(in: .microseconds(100)...(.milliseconds(20)))
            self.queue.schedule(
                .ran(host, life: process.life, .request(group, request), to: sender), at: self.now + delay)
        }
    }

    mutating func ran(_ host: Int, life: UInt32, _ message: PartitionMessage, to node: NodeID) {
        guard let process = self.hosts[host].process, process.life == life else { return }
        if let until = process.pausedUntil {
            return self.queue.schedule(.ran(host, life: life, message, to: node), at: until + .microseconds(1))
        }
        self.tell(message, to: node, from: host)
    }

    /// Membership is sure that a life of a node is over.
    mutating func hostGone(_ gone: ActivationHost, on host: Int, life: UInt32) {
        guard self.hosts[host].process?.life == life else { return }
        for group in 0..<self.scenario.groups {
            let id = GroupID(UInt32(group))
            self.submit(.shard(.request(id, .hostGone(gone))), to: id, on: host)
        }
    }
}

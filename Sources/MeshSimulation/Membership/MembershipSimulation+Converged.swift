internal import MeshCore

/// A mesh that has known itself for long, made without waiting for it.
extension MembershipSimulation {
    /// One host gathers what all know, asking along a binary tree; then everybody asks that host.
    ///
    /// The frames are the real ones, made and read by `Membership`; only the network is left out: they arrive at
    /// once. The asker's own answer, the push of push/pull, is left out too, and so is what would now be told on by
    /// gossip: a mesh that has known itself for long has no such news.
    mutating func converge(_ present: [Int]) {
        var distance = 1
        while distance < present.count {
            for index in stride(from: 0, to: present.count - distance, by: 2 * distance) {
                self.exchange(present[index], present[index + distance])
            }
            distance *= 2
        }
        for host in present.dropFirst() { self.exchange(host, present[0]) }
    }

    private mutating func exchange(_ one: Int, _ other: Int) {
        guard one != other else { return }
        self.converse(one, .streamOpened, with: other)
        self.converse(other, .streamOpened, with: one)
        self.converse(one, .exchange, with: other)
        self.converse(one, .streamReleased, with: other)
        self.converse(other, .streamReleased, with: one)
    }

    private enum Turn { case streamOpened, exchange, streamReleased }

    /// Steps one host, carries its frames to the other and the answers back.
    private mutating func converse(_ speaker: Int, _ turn: Turn, with listener: Int) {
        guard let peer = self.hosts[listener].process else { return }
        let (id, boot) = (peer.membership.local.id, peer.boot)
        let input: Membership.Input =
            switch turn {
            case .streamOpened: .streamOpened(id, boot: boot, endpoint: self.hosts[listener].endpoint)
            case .exchange: .exchange(id)
            case .streamReleased: .streamReleased(id, boot: boot)
            }
        var frames: [(to: Int, bytes: [UInt8])] = []
        self.quietly(speaker, &frames, to: listener) { $0.step(input, at: $1, into: &$2) }
        var exchanged = 0
        while exchanged < frames.count, exchanged < 64 {
            let (receiver, bytes) = frames[exchanged]
            let sender = receiver == listener ? speaker : listener
            exchanged += 1
            guard let senderID = self.hosts[sender].process?.membership.local.id else { return }
            var answers: [(to: Int, bytes: [UInt8])] = []
            self.quietly(receiver, &answers, to: sender) {
                $0.receive(frame: bytes.raw, from: senderID, at: $1, into: &$2)
            }
            if receiver == listener { frames += answers }
        }
    }

    private mutating func quietly(
        _ host: Int, _ frames: inout [(to: Int, bytes: [UInt8])], to peer: Int,
        _ body: (inout Membership, Instant, inout Membership.Effects) -> Void
    ) {
        guard let process = self.hosts[host].process, let peerID = self.hosts[peer].process?.membership.local.id else {
            return
        }
        self.effects.clear()
        body(&process.membership, self.hosts[host].clock.reading(at: self.now), &self.effects)
        process.membership.forgetRumors()
        for effect in self.effects.list {
            switch effect {
            case .stream(let to, _, let range) where to == peerID:
                frames.append((peer, Array(self.effects.bytes[range])))
            case .neighbours(let peers): self.hosts[host].process?.neighbours = peers
            default: break
            }
        }
    }

    /// The drivers begin: streams to neighbours are dialled, wakes armed.
    mutating func beginDriving(_ present: [Int]) {
        for host in present {
            self.dialNeighbours(of: host)
            self.arm(host)
        }
    }
}

/// Nodes that talk to this one and are no members here yet, or not in this boot: where their streams can be answered, and
/// which of their datagrams were seen.
struct Strangers: Sendable {
    static let countMax = 64

    private struct Entry: Sendable {
        var id: NodeID
        var endpoint: Endpoint?
        var window = ReplayWindow()
    }

    /// Oldest first.
    private var entries: [Entry] = []

    func endpoint(of id: NodeID) -> Endpoint? { self.entries.first { $0.id == id }?.endpoint }

    /// A stream to it is open.
    mutating func note(_ id: NodeID, endpoint: Endpoint) { self.entries[self.place(of: id)].endpoint = endpoint }

    /// A datagram of it came.
    mutating func accept(_ header: PacketHeader) -> ReplayWindow.Verdict {
        let place = self.place(of: header.sender)
        return self.entries[place].window.accept(epoch: header.senderEpoch, counter: header.counter)
    }

    /// This boot of it is known now, and goes on with the window.
    mutating func take(_ id: NodeID, epoch: UInt64) -> ReplayWindow? {
        guard let place = self.entries.firstIndex(where: { $0.id == id && $0.window.epoch == epoch }) else {
            return nil
        }
        return self.entries.remove(at: place).window
    }

    mutating func streamClosed(_ id: NodeID) {
        guard let place = self.entries.firstIndex(where: { $0.id == id }) else { return }
        self.entries[place].endpoint = nil
    }

    /// The oldest makes room; one with an open stream, which took a handshake, only if there is no other.
    private mutating func place(of id: NodeID) -> Int {
        if let place = self.entries.firstIndex(where: { $0.id == id }) { return place }
        if self.entries.count == Self.countMax {
            self.entries.remove(at: self.entries.firstIndex { $0.endpoint == nil } ?? 0)
        }
        self.entries.append(Entry(id: id))
        return self.entries.count - 1
    }
}

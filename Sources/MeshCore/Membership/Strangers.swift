/// Nodes that talk to this one and are no members here yet: where their streams can be answered, and which of their
/// datagrams were seen.
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

    /// It has become a member, which goes on with the window.
    mutating func remove(_ id: NodeID) -> ReplayWindow {
        guard let place = self.entries.firstIndex(where: { $0.id == id }) else { return ReplayWindow() }
        return self.entries.remove(at: place).window
    }

    mutating func streamClosed(_ id: NodeID) {
        guard let place = self.entries.firstIndex(where: { $0.id == id }) else { return }
        self.entries[place].endpoint = nil
    }

    /// The oldest makes room.
    private mutating func place(of id: NodeID) -> Int {
        if let place = self.entries.firstIndex(where: { $0.id == id }) { return place }
        if self.entries.count == Self.countMax { self.entries.removeFirst() }
        self.entries.append(Entry(id: id))
        return self.entries.count - 1
    }
}

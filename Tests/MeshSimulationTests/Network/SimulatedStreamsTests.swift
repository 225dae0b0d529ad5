import MeshCore
import MeshSimulation
import Testing

@Suite("Simulated streams")
struct SimulatedStreamsTests {
    private var streams = SimulatedStreams()
    private var pool = BufferPool()

    private mutating func open() -> ConnectionID {
        self.streams.open(from: ProcessID(host: 0, life: 1), to: 1, purpose: .join, at: .zero)
    }

    private func byte(_ item: SimulatedStreams.Item?) -> UInt8? {
        var pool = self.pool
        if case .frame(let buffer) = item { return pool.take(buffer).first } else { return nil }
    }

    @Test("carry nothing before the handshake, then in the order of sending, behind the hello")
    mutating func order() {
        let id = self.open()
        for value in UInt8(1)...3 {
            self.streams.append(.frame(self.pool.store([value])), to: id, from: .opener, at: .zero)
        }
        let early = self.streams.start(id, from: .opener)
        #expect(early == nil)
        self.streams.establish(id)
        guard case .hello? = self.streams.start(id, from: .opener) else {
            Issue.record("the hello is not first")
            return
        }
        let again = self.streams.start(id, from: .opener)
        #expect(again == nil, "a moving lane is not started again")
        var values: [UInt8] = []
        while let (item, _) = self.streams.arrive(id, from: .opener) {
            if let value = self.byte(item) { values.append(value) }
        }
        #expect(values == [1, 2, 3])
    }

    @Test("give their buffers back when they close, and make stale names harmless")
    mutating func close() {
        let id = self.open()
        self.streams.append(.frame(self.pool.store([1])), to: id, from: .opener, at: .zero)
        #expect(self.pool.inUse == 1)
        self.streams.close(id, returning: &self.pool)
        #expect(self.pool.inUse == 0)
        let next = self.open()
        #expect(self.streams[id] == nil)
        #expect(self.streams[next] != nil)
        self.streams.close(id, returning: &self.pool)
        #expect(self.streams[next] != nil)
    }

    @Test("remember since when a lane stalls until something arrives")
    mutating func stall() {
        let id = self.open()
        self.streams.establish(id)
        let first = VirtualTime.zero + .seconds(1)
        var since = [0, 2].map { self.streams.stall(id, from: .acceptor, at: first + .seconds($0)) }
        #expect(since == [first, first])
        _ = self.streams.arrive(id, from: .acceptor)
        since = [self.streams.stall(id, from: .acceptor, at: first + .seconds(9))]
        #expect(since == [first + .seconds(9)])
    }
}

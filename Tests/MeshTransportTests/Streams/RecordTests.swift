import MeshCore
import MeshTransport
import NIOCore
import Testing

@Suite("records and frames of a stream")
struct RecordTests {
    private let key = SecretBytes.random(count: 32)
    private let start = Instant(nanoseconds: 1)

    private var pair: (RecordSealer, RecordOpener) {
        (RecordSealer(CipherState(key: self.key), at: self.start), RecordOpener(CipherState(key: self.key)))
    }

    /// The records of `frames`, as the connection makes them.
    private func records(_ frames: [PeerFrame], by sealer: inout RecordSealer, at now: Instant? = nil) -> [[UInt8]] {
        var (splitter, rest, records) = (FrameSplitter(), frames[...], [[UInt8]]())
        while !splitter.isEmpty || !rest.isEmpty {
            var out = ByteBuffer()
            sealer.append(.bulk, to: &out, at: now ?? self.start) { out in
                splitter.fill(&out, limit: RecordSealer.contentBytesMax, with: LZ4()) { rest.popFirst() }
            }
            while let length: UInt16 = out.readInteger(), let record = out.readBytes(length: Int(length)) {
                records.append(record)
            }
        }
        return records
    }

    private func open(_ record: [UInt8], by opener: inout RecordOpener) throws -> [PeerFrame] {
        var record = record
        let content = try unsafe record.withUnsafeMutableBytes { bytes in
            try unsafe opener.open(bytes)
        }
        if case .frames(let frames) = content { return frames }
        return []
    }

    @Test(
        "frames of every size arrive whole and in order",
        arguments: [
            [0], [1, 2, 3], [32 << 10], [1 << 20, 0, 5], [PeerFrame.bytesMax - 14], [100, 40_000, 7, 70_000],
        ])
    func roundTrip(sizes: [Int]) throws {
        var (sealer, opener) = self.pair
        let frames = sizes.enumerated().map { index, size in
            PeerFrame(kind: .partition, correlation: UInt64(index), body: randomBytes(size))
        }
        var arrived: [PeerFrame] = []
        for record in self.records(frames, by: &sealer) {
            #expect(record.count <= Int(UInt16.max))
            arrived += try self.open(record, by: &opener)
        }
        #expect(arrived == frames)
    }

    @Test("a body that compresses travels small and arrives as it was")
    func compression() throws {
        var (sealer, opener) = self.pair
        let frame = PeerFrame(kind: .answer, correlation: 7, body: [UInt8](repeating: 3, count: 100_000))
        let records = self.records([frame], by: &sealer)
        #expect(records.map(\.count).reduce(0, +) < 1000)
        #expect(try records.flatMap { try self.open($0, by: &opener) } == [frame])
    }

    @Test("a re-key by time is followed, with no gap")
    func rekey() throws {
        var (sealer, opener) = self.pair
        for minute in 0..<40 {
            let frame = PeerFrame(kind: .query, correlation: UInt64(minute), body: [1])
            let now = self.start + .seconds(60 * minute)
            let arrived = try self.records([frame], by: &sealer, at: now).flatMap { try self.open($0, by: &opener) }
            #expect(arrived == [frame])
        }
    }

    @Test("after a re-key the old key opens nothing")
    func rekeyChangesKey() throws {
        var (sealer, opener) = self.pair
        let records = self.records(
            [PeerFrame(kind: .query, body: [1])], by: &sealer, at: self.start + RecordSealer.rekeyAfter)
        #expect(records.count == 2)
        var behind = opener
        #expect(try self.open(records[0], by: &opener) == [])
        #expect(try self.open(records[1], by: &opener).count == 1)
        // One that overlooked the re-key, with its counter right.
        var skipped = CipherState(key: self.key)
        var scratch = records[0]
        _ = unsafe scratch.withUnsafeMutableBufferPointer { buffer in
            unsafe buffer.baseAddress.map { unsafe skipped.open($0, count: buffer.count) }
        }
        behind = RecordOpener(skipped)
        #expect(throws: StreamRefusal.unauthentic) { try self.open(records[1], by: &behind) }
    }

    @Test("a record replayed, reordered, changed or cut short is refused")
    func tampering() throws {
        var (sealer, opener) = self.pair
        let records = self.records(
            (0..<3).map { PeerFrame(kind: .partition, body: randomBytes($0 + 40_000)) }, by: &sealer)
        var replaying = opener
        _ = try self.open(records[0], by: &replaying)
        #expect(throws: StreamRefusal.unauthentic) { try self.open(records[0], by: &replaying) }
        var reordering = opener
        #expect(throws: StreamRefusal.unauthentic) { try self.open(records[1], by: &reordering) }
        var changed = records[0]
        changed[5] ^= 1
        #expect(throws: StreamRefusal.unauthentic) { try self.open(changed, by: &opener) }
        var (_, fresh) = self.pair
        #expect(throws: StreamRefusal.self) { try self.open(Array(records[0].prefix(10)), by: &fresh) }
    }

    @Test("a frame that announces more than is allowed is refused by its header")
    func oversized() {
        var assembler = FrameAssembler()
        var header = WireWriter()
        header.write(UInt32(PeerFrame.bytesMax))
        header.write(PeerFrame.Kind.partition.rawValue)
        header.write(0 as UInt8)
        header.write(0 as UInt64)
        #expect(throws: StreamRefusal.tooLong) { try assembler.append(header.bytes) }
    }

    @Test("unknown kinds and flags are refused")
    func unknown() {
        for (kind, flags) in [(99, 0), (0, 0), (PeerFrame.Kind.partition.rawValue, 2)] as [(UInt8, UInt8)] {
            var assembler = FrameAssembler()
            #expect(throws: StreamRefusal.malformed) {
                try assembler.append([0, 0, 0, 0, kind, flags, 0, 0, 0, 0, 0, 0, 0, 0])
            }
        }
    }

    @Test("a compressed body that claims to be larger than a frame is refused")
    func bomb() {
        var assembler = FrameAssembler()
        let header: [UInt8] = [0, 0, 0, 5, PeerFrame.Kind.partition.rawValue, 1, 0, 0, 0, 0, 0, 0, 0, 0]
        #expect(throws: StreamRefusal.tooLong) { try assembler.append(header + [0xFF, 0xFF, 0xFF, 0xFF, 0]) }
        var other = FrameAssembler()
        #expect(throws: StreamRefusal.undecompressable) { try other.append(header + [0, 0, 0, 9, 0]) }
    }
}

extension FrameAssembler {
    fileprivate mutating func append(_ bytes: [UInt8]) throws -> [PeerFrame] {
        try unsafe bytes.withUnsafeBytes { try unsafe self.append($0) }
    }
}

@Suite("frames waiting to be sent")
struct OutboxesTests {
    private let node = NodeID(high: 1, low: 1)

    @Test("offers schedule once until taking begins")
    func scheduling() {
        let outboxes = Outboxes()
        let frame = PeerFrame(kind: .partition, body: [1])
        #expect(outboxes.offer([frame], to: self.node) == .schedule)
        #expect(outboxes.offer([frame], to: self.node) == .alreadyScheduled)
        outboxes.beginTaking(for: self.node)
        #expect(outboxes.offer([frame], to: self.node) == .schedule)
    }

    @Test("a full lane refuses, and does not keep membership frames from theirs")
    func full() {
        let outboxes = Outboxes()
        let large = PeerFrame(kind: .partition, body: [UInt8](repeating: 0, count: 2_000_000))
        var offered = 0
        while outboxes.offer([large], to: self.node) != .full { offered += 1 }
        #expect(offered == 4)
        #expect(outboxes.offer([PeerFrame(kind: .membership, body: [1])], to: self.node) != .full)
        #expect(outboxes.take(.control, for: self.node)?.kind == .membership)
        _ = outboxes.take(.bulk, for: self.node)
        #expect(outboxes.offer([large], to: self.node) != .full)
    }

    @Test("discarding tells whether something was lost")
    func discard() {
        let outboxes = Outboxes()
        #expect(!outboxes.discard(for: self.node))
        _ = outboxes.offer([PeerFrame(kind: .partition, body: [])], to: self.node)
        #expect(outboxes.discard(for: self.node))
        #expect(outboxes.take(.bulk, for: self.node) == nil)
    }
}

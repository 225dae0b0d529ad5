import MeshCore
import Testing

@Suite("The log in memory")
struct RaftLogTests {
    private func log(_ terms: [Term], tailBytesMax: Int = 1 << 20) -> RaftLog {
        var log = RaftLog(base: .zero, tailBytesMax: tailBytesMax)
        for (place, term) in terms.enumerated() { log.append(entry(LogIndex(place + 1), term)) }
        return log
    }

    @Test("agrees with a list of entries under any changes", arguments: 0..<30 as Range<UInt64>)
    func model(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var log = RaftLog(base: .zero, tailBytesMax: 300)
        var model: [LogEntry] = []
        var base: LogIndex = 0
        var write: UInt64 = 0
        for _ in 0..<200 {
            switch random.next(upperBound: 8 as UInt64) {
            case 0 where log.last.index > base:
                let index = base + 1 + random.next(upperBound: log.last.index - base)
                log.truncate(from: index)
                model.removeAll { $0.index >= index }
            case 1 where log.last.index > base:
                base += random.next(upperBound: log.last.index - base) + 1
                log.drop(through: base)
            case 2:
                write += 1
                log.wrote(write)
                log.stored(through: write)
                #expect(log.durable == log.last.index)
            default:
                let term = max(log.last.term, 1) + (random.next(upperBound: 4 as UInt64) == 0 ? 1 : 0)
                let payload = Array(repeating: UInt8(1), count: Int(random.next(upperBound: 40 as UInt64)))
                let new = entry(log.last.index + 1, term, payload)
                log.append(new)
                model.append(new)
            }
            let live = model.filter { $0.index > base }
            #expect(log.bytes == live.reduce(0) { $0 + $1.byteCount })
            #expect(log.base.index == base)
            for entry in live { #expect(log.term(at: entry.index) == entry.term) }
            #expect(log.term(at: log.last.index + 1) == nil)
            #expect(base == 0 || log.term(at: base - 1) == nil)
            if let first = live.first,
                let entries = log.entries(from: first.index, through: .max, bytesMax: .max, countMax: .max)
            {
                #expect(entries == live)
            }
        }
    }

    @Test("finds where two logs may agree, whole terms at a time")
    func hints() {
        let log = self.log([1, 1, 1, 4, 4, 6])
        #expect(log.index(notAfter: 9, termAtMost: 9) == 6)
        #expect(log.index(notAfter: 5, termAtMost: 9) == 5)
        #expect(log.index(notAfter: 6, termAtMost: 5) == 5)
        #expect(log.index(notAfter: 6, termAtMost: 3) == 3)
        #expect(log.index(notAfter: 2, termAtMost: 3) == 2)
        #expect(log.index(notAfter: 6, termAtMost: 0) == 0)
    }

    @Test("counts as durable only what was written and is still there")
    func durability() {
        var log = self.log([1, 1, 1])
        log.wrote(1)
        log.append(entry(4, 1))
        log.wrote(2)
        log.truncate(from: 3)
        log.append(entry(3, 2))
        log.wrote(3)
        #expect(log.durable == 0)
        log.stored(through: 2)
        #expect(log.durable == 2, "entry 3 of that write was replaced")
        log.stored(through: 3)
        #expect(log.durable == 3)
    }

    @Test("keeps payloads of the latest entries, and those not yet on the disk")
    func tail() {
        var log = self.log(Array(repeating: 1, count: 20), tailBytesMax: 100)
        #expect(log.entries(from: 1, through: 20, bytesMax: .max, countMax: .max)?.count == 20)
        log.wrote(1)
        log.stored(through: 1)
        #expect(log.entries(from: 1, through: 20, bytesMax: .max, countMax: .max) == nil)
        #expect(log.entries(from: 18, through: 20, bytesMax: .max, countMax: .max)?.count == 3)
        #expect(log.entries(from: 18, through: 20, bytesMax: 1, countMax: .max)?.count == 1, "always at least one")
        #expect(log.entries(from: 21, through: 30, bytesMax: 1, countMax: 1)?.isEmpty == true)
    }
}

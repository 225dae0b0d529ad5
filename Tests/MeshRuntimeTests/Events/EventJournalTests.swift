import Foundation
import Logging
import MeshCore
import MeshRuntime
import Synchronization
import Testing

/// What is published is kept, bounded, and read from any place; what is missing is said.
@Suite("The journal of a node's events")
struct EventJournalTests {
    private static func definition(_ number: Int) -> NodeEvent.Content {
        .definition(name: "d\(number)", change: "created")
    }

    private static func log(_ text: String, level: Logger.Level = .info) -> NodeEvent.Content {
        .log(LogRecord(level: level, part: "test", message: text, fields: []))
    }

    private static func numbers(_ page: EventJournal.Page) -> [UInt64] { page.events.map(\.id.sequence) }

    @Test("an id is a boot and a number, and nothing else is an id")
    func ids() {
        #expect(EventID("7-1042") == EventID(boot: 7, sequence: 1042))
        #expect(EventID(boot: 7, sequence: 1042).description == "7-1042")
        for wrong in ["", "7", "7-", "-7", "7-1-2", "+7-1", "7-+1", "7-99999999999999999999", "a-b", " 7-1", "٧-1"] {
            #expect(EventID(wrong) == nil, "\(wrong)")
        }
    }

    @Test("a reader goes on where it was, page by page, and gets only the types it wants, in order")
    func pages() {
        let journal = EventJournal(boot: 3)
        for number in 1...10 {
            journal.publish(Self.definition(number))
            journal.publish(Self.log("l\(number)"))
        }
        var place = EventID(boot: 3, sequence: 4)
        var seen: [UInt64] = []
        while true {
            let page = journal.read(after: place, kinds: [.definitions], limit: 3)
            #expect(page.gap == nil)
            place = page.end
            guard !page.events.isEmpty else { break }
            seen += Self.numbers(page)
        }
        #expect(seen == [5, 7, 9, 11, 13, 15, 17, 19])
        #expect(place == journal.end)
        #expect(
            Self.numbers(journal.read(after: EventID(boot: 3, sequence: 0), kinds: [.definitions, .logs]))
                == Array(1...20))
    }

    @Test(
        "each type gives way for itself: a flood of lines leaves the definitions alone, and only its readers have a gap"
    )
    func shelves() {
        var limits = EventJournal.Limits.standard
        limits[.logs] = EventJournal.Limits(countMax: 5, bytesMax: 1 << 20)
        let journal = EventJournal(boot: 1, limits: limits)
        journal.publish(Self.definition(1))
        for number in 1...100 { journal.publish(Self.log("l\(number)")) }
        let all = journal.read(after: EventID(boot: 1, sequence: 0), kinds: [.definitions, .logs])
        #expect(all.gap == EventJournal.Gap(after: EventID(boot: 1, sequence: 0), reason: .dropped))
        #expect(Self.numbers(all) == [1, 97, 98, 99, 100, 101])
        #expect(journal.read(after: EventID(boot: 1, sequence: 0), kinds: [.definitions]).gap == nil)
        // The last that gave way is number 96: who has it has missed nothing.
        #expect(journal.read(after: EventID(boot: 1, sequence: 96), kinds: [.logs]).gap == nil)
        #expect(journal.read(after: EventID(boot: 1, sequence: 95), kinds: [.logs]).gap?.reason == .dropped)
    }

    @Test("bytes are bounded as well as lines, and one long line is cut")
    func bytes() throws {
        let journal = EventJournal(boot: 1, limits: [.logs: EventJournal.Limits(countMax: 1000, bytesMax: 100_000)])
        for _ in 0..<50 { journal.publish(Self.log(String(repeating: "ü", count: 100_000))) }
        let page = journal.read(last: 1000, kinds: [.logs])
        #expect((10..<50).contains(page.events.count))
        let line = try #require(page.events.last?.log)
        #expect(line.message.utf8.count < 9000 && line.message.hasSuffix(" …"))
        let many = (0..<500).map { Label("k\($0)", String(repeating: "v", count: 1000)) }
        journal.publish(.log(LogRecord(level: .info, part: "p", message: "m", fields: many)))
        let fields = try #require(journal.read(last: 1, kinds: [.logs]).events.first?.log?.fields)
        #expect(fields.reduce(0) { $0 + $1.value.utf8.count } < 9000)
    }

    @Test("an id of another boot or of the future is a gap, and then comes all there is")
    func gaps() {
        let journal = EventJournal()
        journal.publish(Self.log("before the boot is known"))
        journal.begin(boot: 4)
        journal.publish(Self.log("after"))
        for (id, reason) in [
            (EventID(boot: 3, sequence: 1), EventJournal.Gap.Reason.restarted),
            (EventID(boot: 5, sequence: 0), .restarted), (EventID(boot: 4, sequence: 3), .unknown),
        ] {
            let page = journal.read(after: id, kinds: [.logs])
            #expect(page.gap == EventJournal.Gap(after: id, reason: reason))
            #expect(Self.numbers(page) == [1, 2])
            #expect(page.begin == EventID(boot: 4, sequence: 0))
        }
        #expect(journal.read(after: EventID(boot: 4, sequence: 2), kinds: [.logs]).gap == nil)
    }

    @Test("the last lines of a level and an age, and those behind an id")
    func logs() {
        let clock = Mutex<UInt64>(1_000_000)
        let journal = EventJournal(boot: 1, wallClock: { clock.withLock { $0 } })
        for number in 1...10 {
            journal.publish(Self.log("l\(number)", level: number.isMultiple(of: 2) ? .warning : .debug))
            clock.withLock { $0 += 1000 }
        }
        #expect(Self.numbers(journal.logs(LogQuery(lines: 3))) == [8, 9, 10])
        #expect(Self.numbers(journal.logs(LogQuery(level: .info, lines: 3))) == [6, 8, 10])
        #expect(Self.numbers(journal.logs(LogQuery(age: .seconds(2), level: .info))) == [10])
        #expect(Self.numbers(journal.logs(LogQuery(age: .seconds(1 << 40)))) == Array(1...10))
        #expect(Self.numbers(journal.logs(LogQuery(lines: 0))) == [])
        #expect(Self.numbers(journal.logs(LogQuery(after: EventID(boot: 1, sequence: 7), level: .info))) == [8, 10])
    }

    @Test("news wakes a reader once for many events, and ends with the journal")
    func news() async {
        let journal = EventJournal(boot: 1)
        let reader = journal.news().stream
        for number in 1...10 { journal.publish(Self.definition(number)) }
        journal.close()
        var wakes = 0
        for await _ in reader { wakes += 1 }
        #expect(wakes == 1)
        for await _ in journal.news().stream { Issue.record("a closed journal has no news") }
    }

    @Test("a member's lines arrive over the stream as they are; a member that does not answer is named")
    func remote() async throws {
        try await withFolder { folder in
            let mesh = TestMesh()
            let one = try await TestNode(1, in: mesh, folder: folder)
            let two = try await TestNode(2, in: mesh, folder: folder)
            two.journal.publish(
                .log(LogRecord(level: .error, part: "t", message: "from two\n", fields: [Label("k", "v")])))
            let view = try await one.runtime.logs(of: two.id, LogQuery(level: .error))
            #expect(view.name == "node2" && view.node == two.id.description)
            #expect(
                view.page.events.map(\.log) == [
                    LogRecord(level: .error, part: "t", message: "from two\n", fields: [Label("k", "v")])
                ])
            #expect(view.page.end == two.journal.end)
            let gap = EventID(boot: 9, sequence: 9)
            let behind = try await one.runtime.logs(of: two.id, LogQuery(after: gap, lines: 10))
            #expect(behind.page.gap == EventJournal.Gap(after: gap, reason: .restarted))
            let error = await #expect(throws: MeshError.self) {
                _ = try await one.runtime.logs(of: NodeID(high: 0, low: 9), LogQuery())
            }
            #expect(error?.code == .unavailable && error?.message.contains("node9") == true)
            await one.stop()
            await two.stop()
        }
    }
}

@Suite("Times as text")
struct WallTimeTests {
    @Test("times are those of the calendar, leap years and all")
    func times() {
        #expect(wallTime(0) == "1970-01-01T00:00:00.000Z")
        #expect(wallTime(951_782_399_999) == "2000-02-28T23:59:59.999Z")
        #expect(wallTime(951_782_400_000) == "2000-02-29T00:00:00.000Z")
        #expect(wallTime(1_795_262_400_123) == "2026-11-21T12:00:00.123Z")
        #expect(wallTime(4_107_542_400_000) == "2100-03-01T00:00:00.000Z")
    }

    @Test("they are those of Foundation, day by day")
    func days() {
        for day in stride(from: 0, to: 60_000, by: 7) as StrideTo<Int> {
            let date = Date(timeIntervalSince1970: Double(day) * 86_400 + 3_661)
            let expected = date.ISO8601Format().dropLast() + ".000Z"
            #expect(wallTime(UInt64(day) * 86_400_000 + 3_661_000) == expected)
        }
    }
}

import MeshRuntime
import Testing

@testable import meshnode

@Suite("Status for people")
struct RenderingTests {
    private static func member(_ index: Int, state: String = "alive") -> MemberView {
        MemberView(
            id: "0123456789abcdef0123456789abcd\(index + 10)", name: "node-\(index)-of-a-long-series",
            address: "192.168.100.\(100 + index):\(40_000 + index)", state: state, since_s: 86_400 * 3 + 3_600 * 4,
            incarnation: UInt32(index), boot_epoch: 12, rtt_ms: 0.42 * Double(index + 1),
            zone: "eu-central-\(index % 3)",
            version: "0.1.0", tags: [:], capabilities: ["gpu.memory.free": "24GiB", "model": "llama-3.1-8b"],
            actors: 123 + index, mailbox_depth: 10_000)
    }

    private static func status(_ members: [MemberView], warnings: [String] = []) -> StatusView {
        var mesh = MeshView(id: "c0ffee00c0ffee00c0ffee00c0ffee00", name: "demo", health: "degraded", members: .init())
        mesh.members.alive = members.count - 1
        mesh.members.suspect = 1
        let node = NodeView(
            id: members[0].id, name: members[0].name, state: "ready", version: "0.1.0", address: members[0].address,
            http: "127.0.0.1:7950", boot_epoch: 1, uptime_s: 3_725, local_health: 2, actors: 1, mailbox_depth: 0,
            refused: [:], warnings: warnings)
        return StatusView(mesh: mesh, node: node, members: members)
    }

    @Test("twenty members fit into 120 columns, one line each, numbers to the right")
    func twenty() {
        let members = (0..<20).map { Self.member($0, state: $0 == 3 ? "suspect" : "alive") }
        let lines = StatusText.status(Self.status(members), width: 120, color: false)
            .split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 3 + 1 + 1 + 20)
        #expect(lines.allSatisfy { $0.count <= 120 }, "\(lines.map(\.count).max() ?? 0)")
        #expect(lines[0] == "mesh demo (c0ffee00) is degraded: 19 alive, 1 suspect, 0 dead, 0 left")
        #expect(lines[1].contains("is ready, up 1h2m, at 192.168.100.100:40000, API at 127.0.0.1:7950"))
        #expect(lines[2].hasPrefix("local health 2 of 7"))
        for title in [
            "NAME", "ID", "ADDRESS", "STATE", "SINCE", "INC", "RTT", "ZONE", "VERSION", "ACTORS", "DEPTH", "CAPAB",
        ] {
            #expect(lines[4].contains(title), "\(lines[4])")
        }
        let actors = lines[4].ranges(of: "ACTORS").first?.upperBound
        for (line, member) in zip(lines[5...], members) {
            #expect(line.contains(member.id.prefix(8)))
            #expect(line.contains("3d4h"))
            // The last digit of a right-aligned number stands below the last letter of its title.
            let offset = lines[4].distance(from: lines[4].startIndex, to: actors ?? lines[4].startIndex)
            #expect(line.prefix(offset).hasSuffix(String(member.actors ?? 0)))
        }
    }

    @Test("wide adds hardware and still fits: what is needed least gives way", arguments: [120, 160, 400])
    func wide(width: Int) throws {
        let members = (0..<20).map { index in
            var member = Self.member(index)
            member.hardware = HardwareView([
                "cpu.cores": "\(16 * (index + 1))", "memory.total": "257814MiB", "memory.available": "100000MiB",
                "gpu.0.model": "NVIDIA H200", "gpu.0.memory.total": "143771MiB", "gpu.0.memory.free": "102400MiB",
                "gpu.1.model": "NVIDIA H200", "gpu.1.memory.total": "143771MiB", "gpu.1.memory.free": "0MiB",
            ])
            return member
        }
        let lines = StatusText.members(members, isWide: true, width: width, color: false).split(separator: "\n")
        #expect(lines.count == 21)
        #expect(lines.allSatisfy { $0.count <= width }, "\(lines.map(\.count).max() ?? 0)")
        for title in ["NAME", "ADDRESS", "STATE", "SINCE", "ZONE", "CORES", "MEMORY", "GPUS", "CAPAB"] {
            #expect(lines[0].contains(title), "\(lines[0])")
        }
        #expect(lines[1].contains("97.7/252GiB"))
        #expect(lines[0].contains("VERSION") == (width > 120))
        if width == 400 {
            #expect(lines[20].contains("    320  97.7/252GiB  2 NVIDIA H200  100/281GiB  gpu.memory.free=24GiB,model"))
        }
    }

    @Test("without a width nothing is cut")
    func unlimited() {
        let text = StatusText.members([Self.member(1)], width: nil, color: false)
        #expect(text.contains("node-1-of-a-long-series"))
        #expect(text.contains("gpu.memory.free=24GiB,model=llama-3.1-8b"))
    }

    @Test("colour only where it is asked for, and it does not change the columns")
    func color() {
        let members = [Self.member(1, state: "dead"), Self.member(2)]
        let plain = StatusText.members(members, width: 120, color: false)
        let colored = StatusText.members(members, width: 120, color: true)
        #expect(!plain.contains("\u{1B}"))
        #expect(colored.contains("\u{1B}[31mdead\u{1B}[0m"))
        let stripped = ["\u{1B}[31m", "\u{1B}[32m", "\u{1B}[0m"].reduce(colored) { $0.replacing($1, with: "") }
        #expect(stripped == plain)
    }

    @Test("what another machine calls itself cannot move the cursor")
    func escapes() {
        var member = Self.member(1)
        member.name = "evil\u{1B}[2J\u{7}\nname\u{202E}"
        member.zone = ""
        let text = StatusText.members([member], width: nil, color: true)
        #expect(text.contains("evil?[2J??name?"))
        #expect(text.split(separator: "\n").count == 2)
        let status = StatusText.status(Self.status([member], warnings: ["a\u{1B}b"]), width: nil, color: false)
        #expect(status.contains("warning: a?b"))
        #expect(!status.contains("\u{1B}"))
    }

    @Test("why tells the story, oldest first")
    func why() {
        let change = WhyView.Change(
            seconds_ago: 75, from: "alive", to: "suspect", cause: "probe-failed", incarnation: 4, boot_epoch: 2,
            accuser: "node-b", confirmations: ["node-c", "node-d"], local_health: 1, round_trips_ms: [0.4, 12.25])
        let joined = WhyView.Change(
            seconds_ago: 4_000, from: nil, to: "alive", cause: "joined", incarnation: 0, boot_epoch: 2, accuser: nil,
            confirmations: [], local_health: 0, round_trips_ms: [])
        let text = StatusText.why(WhyView(member: Self.member(1), changes: [joined, change]), width: 120, color: false)
        let lines = text.split(separator: "\n").map(String.init)
        #expect(lines[0].hasPrefix("node-1-of-a-long-series (01234567) at 192.168.100.101:40001 is alive since 3d4h"))
        #expect(lines[2].contains("1h6m") && lines[2].contains("joined"))
        #expect(
            lines[3].contains("alive -> suspect") && lines[3].contains("node-b") && lines[3].contains("node-c,node-d"))
        #expect(lines[3].contains("0.40ms 12.3ms"))
        #expect(lines.allSatisfy { $0.count <= 120 })
    }

    @Test(
        "durations have two units at most",
        arguments: [
            (0.4, "0s"), (59.9, "59s"), (60, "1m"), (725, "12m5s"), (3_600, "1h"), (11_520, "3h12m"), (446_400, "5d4h"),
            (86_400 * 200, "200d"), (-1, "-"), (.infinity, "-"), (.nan, "-"),
        ] as [(Double, String)])
    func durations(seconds: Double, text: String) { #expect(Human.duration(seconds: seconds) == text) }

    @Test(
        "round trips have three digits",
        arguments: [
            (0.05, "0.05ms"), (0.424, "0.42ms"), (12.34, "12.3ms"), (123.4, "123ms"), (1_204, "1.20s"), (nil, "-"),
            (-1, "-"), (.nan, "-"),
        ] as [(Double?, String)])
    func milliseconds(value: Double?, text: String) { #expect(Human.milliseconds(value) == text) }

    @Test(
        "bytes have three digits",
        arguments: [
            (0, "0.00MiB"), (1 << 20, "1.00MiB"), (512 << 20, "512MiB"), (1023 << 20, "1023MiB"), (1 << 30, "1.00GiB"),
            (150_754_820_096, "140GiB"), (3 << 40, "3.00TiB"), (.max, "8.00EiB"), (-1, "-"), (nil, "-"),
        ] as [(Int?, String)])
    func bytes(value: Int?, text: String) { #expect(Human.bytes(value) == text) }

    @Test("a part is shown in the unit of its whole")
    func parts() {
        #expect(Human.bytes(512 << 20, of: 16 << 30) == "0.50/16.0GiB")
        #expect(Human.bytes(nil, of: 16 << 30) == "16.0GiB")
        #expect(Human.bytes(2, of: 1) == "0.00MiB")
        #expect(Human.bytes(nil, of: nil) == "-")
    }

    @Test("columns that may go, go when the rest cannot shrink enough, the highest rank first")
    func dispensable() {
        var table = Table([.flexible("A", min: 4), .right("NNNN").dispensable(1), .right("MMMM").dispensable(2)])
        table.add(["aaaaaaaa", "1", "2"])
        #expect(table.text(width: 20).hasPrefix("A         NNNN  MMMM"))
        #expect(table.text(width: 17).hasPrefix("A      NNNN  MMMM"))
        #expect(table.text(width: 15).hasPrefix("A         NNNN\n"))
        #expect(table.text(width: 9).hasPrefix("A\n"))
        #expect(table.text(width: 1) == "A\naaa…")
    }

    @Test("the list of keys says who has which, how that is known, and whether all agree")
    func keys() {
        func member(
            _ name: String, _ state: String, _ keys: [String]?, _ source: KeyHolderView.Source
        ) -> KeyHolderView {
            KeyHolderView(
                id: "00112233445566778899aabbccddeeff", name: name, state: state, primary: keys?.first, keys: keys,
                source: source)
        }
        let view = KeysView(
            keys: [
                KeyView(id: "0a0b0c0d", is_primary: true, held_by: 2, primary_at: 1),
                KeyView(id: "01020304", is_primary: false, held_by: 2, primary_at: 1),
            ],
            members: [
                member("alpha", "alive", ["0a0b0c0d", "01020304"], .answer),
                member("beta", "suspect", ["01020304", "0a0b0c0d"], .gossip), member("gamma", "unmet", nil, .none),
            ], is_agreed: false)
        let lines = KeysText.list(view, width: 100, color: false).split(
            separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[1] == "0a0b0c0d  primary    2 of 2      1 of 2")
        #expect(lines[2] == "01020304  accepted   2 of 2      1 of 2")
        #expect(lines[5] == "alpha   00112233  alive    0a0b0c0d  01020304      its answer")
        #expect(lines[6] == "beta    00112233  suspect  01020304  0a0b0c0d      gossip")
        #expect(lines[7] == "gamma   00112233  unmet    -         -             -")
        #expect(lines.last == "the live members do not have the same keys yet")
    }

    @Test("a table shrinks its widest flexible column, down to its minimum and no further")
    func shrink() {
        var table = Table([.flexible("A", min: 4), .right("N"), .flexible("B", min: 3)])
        table.add(["aaaaaaaaaaaa", "12345", "bbbbbbbb"])
        #expect(table.text(width: nil).hasSuffix("aaaaaaaaaaaa  12345  bbbbbbbb"))
        #expect(table.text(width: 25).hasSuffix("aaaaaaa…  12345  bbbbbbbb"))
        #expect(table.text(width: 1).hasSuffix("aaa…  12345  bb…"))
        #expect(table.text(width: nil).hasPrefix("A                 N  B\n"))
    }
}

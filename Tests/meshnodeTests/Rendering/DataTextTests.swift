import MeshStorage
import Testing

@testable import meshnode

@Suite struct DataTextTests {
    private func report(_ findings: [DataReport.Finding]) -> DataReport {
        var report = DataReport(path: "/srv/db", node: "abc", format: 2, commits: 3)
        report.tables = [.init(name: "node", entries: 1, bytes: 30)]
        report.findings = findings
        return report
    }

    @Test("findings come worst first, each with its mend, and the first line counts them") func findings() {
        let text = DataText.verification(
            self.report([
                .init(severity: .note, place: "group 1", text: "a", mend: "none"),
                .init(severity: .damage, place: "group 2", text: "b", mend: "remove"),
                .init(severity: .loss, place: "watermark", text: "c", mend: "start"),
            ]), color: false)
        #expect(
            text == """
                /srv/db of node abc: 1 damage, 1 loss; read 1 entry with 30B in 1 table, 0 groups
                damage  group 2: b
                        mend: remove
                loss  watermark: c
                        mend: start
                note  group 1: a
                        mend: none
                """)
    }

    @Test("a database without losses is sound, notes or not") func sound() {
        let note = DataReport.Finding(severity: .note, place: "database", text: "torn", mend: "none")
        #expect(DataText.verification(self.report([note]), color: false).contains(": sound; "))
    }
}

@Suite struct ByteCountTextTests {
    @Test("sizes are read and shown in their largest unit") func sizes() throws {
        #expect(try ByteCountText(parsing: "64MiB").bytes == 64 << 20)
        #expect(try ByteCountText(parsing: "2048MiB").description == "2GiB")
        #expect(try ByteCountText(parsing: "1536KiB").description == "1536KiB")
    }

    @Test("what is no size is refused", arguments: ["", "12", "MiB", "1.5MiB", "-1MiB", "1mb", "9999999999999999GiB"])
    func refused(_ text: String) {
        #expect(throws: InvalidValue.self) { try ByteCountText(parsing: text) }
    }
}

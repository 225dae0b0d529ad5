import MeshCore
import Testing

private let host = MemberFacts(
    name: "node-b", zone: "eu-1", version: "0.2.0", labels: [Label("team", "vision"), Label("rack", "7")],
    capabilities: [
        Label("cpu.arch", "x86_64"), Label("cpu.cores", "7.5"), Label("memory.available", "24105MiB"),
        Label("gpu.count", "2"), Label("gpu.driver", "580.159.03"), Label("gpu.cuda", "13.0"),
        Label("gpu.0.model", "NVIDIA A10"), Label("gpu.0.memory.total", "23028MiB"),
        Label("gpu.0.memory.free", "22000MiB"), Label("gpu.0.utilization", "90%"), Label("gpu.0.temperature", "70C"),
        Label("gpu.1.model", "NVIDIA H200"), Label("gpu.1.memory.total", "143771MiB"),
        Label("gpu.1.memory.free", "11469MiB"), Label("gpu.1.utilization", "3%"),
        Label("model", "llama-3.1-8b, qwen2-7b"), Label("budget", "12.5"), Label("disks", "two"),
    ], roundTrip: .microseconds(850))

private let bare = MemberFacts(name: "node-a")

@Suite struct RequirementEvaluationTests {
    @Test(
        "what a member advertises fulfils it",
        arguments: [
            #"zone == "eu-1" && name == "node-b" && version >= "0.1.9""#, #"zone in ["us-1", "eu-1"]"#,
            #"label("team") == "vision" && has(label("rack"))"#, #"label("rack") >= 7 && label("rack") < 7.5"#,
            #"cpu.arch == "x86_64" && cpu.cores >= 7.5"#, "memory.available > 23.5GiB && memory.available < 24GiB",
            "gpu.cuda >= 12.10 && gpu.cuda == 13", #"gpu.driver >= "580.65""#, "gpu.memory.free > 20GiB",
            "gpu.1.memory.total >= 140GiB", "gpu.1.memory.total >= 150GB", "gpu.utilization < 50%",
            "gpu.temperature >= 60C", #"model("llama-3.1-8b") && model("qwen2-7b")"#, "rtt < 1ms && rtt >= 850us",
            #"capability("budget") > 12"#, "gpu.count >= 1 && !has(gpu.2.model)", #"!has(label("nobody"))"#,
            #"!(capability("disks") > 1)"#, #"label("none") != "x""#, "!(disk.free > 1GiB)",
        ])
    func fulfilled(text: String) throws {
        let verdict = try Requirement(parsing: text).evaluate(host)
        #expect(verdict.qualifies, "\(verdict.explanation)")
    }

    @Test(
        "what is missing is told, with what is there and what is needed",
        arguments: [
            ("gpu.1.memory.free >= 24GiB", "gpu.1.memory.free is 11.2GiB, at least 24GiB needed"),
            ("gpu.memory.free >= 24GiB", "gpu.memory.free is 21.4GiB, at least 24GiB needed"),
            ("memory.available >= 24GiB", "memory.available is 23.5GiB, at least 24GiB needed"),
            (#"zone == "us-1""#, #"zone is "eu-1", "us-1" needed"#),
            (#"zone != "eu-1""#, #"zone is "eu-1", not "eu-1" needed"#),
            (#"zone in ["a", "b"]"#, #"zone is "eu-1", one of "a", "b" needed"#),
            (#"model("gpt")"#, #"model "gpt" is not served, only "llama-3.1-8b, qwen2-7b""#),
            (#"model("llama")"#, #"model "llama" is not served, only "llama-3.1-8b, qwen2-7b""#),
            (#"!model("qwen2-7b")"#, #"model "qwen2-7b" is served"#),
            ("disk.free > 1GiB", "disk.free is not advertised, more than 1GiB needed"),
            ("has(disk.free)", "disk.free is not advertised"), ("!has(zone)", "zone is advertised"),
            (#"capability("disks") > 1"#, #"capability("disks") is "two", which is not a number, more than 1 needed"#),
            (
                "cpu.cores >= 8 && rtt <= 500us",
                "cpu.cores is 7.5, at least 8 needed; rtt is 850us, at most 500us needed"
            ),
            (
                #"zone == "a" || cpu.cores >= 8"#,
                #"neither: zone is "eu-1", "a" needed; nor: cpu.cores is 7.5, at least 8 needed"#
            ),
            (#"!(zone == "eu-1" || has(name))"#, #"zone is "eu-1", not "eu-1" needed; name is advertised"#),
            ("gpu.cuda >= 13.1", #"gpu.cuda is "13.0", at least 13.1 needed"#),
        ])
    func missing(text: String, explanation: String) throws {
        let verdict = try Requirement(parsing: text).evaluate(host)
        #expect(!verdict.qualifies && verdict.explanation == explanation, "\(verdict.explanation)")
    }

    @Test("what is said of a GPU without its number must hold of one and the same") func oneDevice() throws {
        func verdict(_ text: String) throws -> Verdict { try Requirement(parsing: text).evaluate(host) }
        #expect(try !verdict(#"gpu.memory.free >= 20GiB && gpu.utilization < 50%"#).qualifies)
        #expect(try !verdict(#"gpu.memory.free >= 20GiB && gpu.model == "NVIDIA H200""#).qualifies)
        let fits = try verdict(#"gpu.memory.free >= 10GiB && gpu.model == "NVIDIA H200""#)
        #expect(fits.qualifies && fits.device?.description == "gpu.1")
        // The GPU that lacks least is the one whose lack is told.
        let near = try verdict(#"gpu.memory.free >= 20GiB && gpu.temperature < 80C && gpu.model == "NVIDIA H200""#)
        #expect(near.device?.description == "gpu.0" && near.lacks.count == 1)
        #expect(try Requirement(parsing: #"gpu.model != "x""#).evaluate(bare).qualifies)
        #expect(try !Requirement(parsing: "gpu.memory.free > 0B").evaluate(bare).qualifies)
    }

    @Test("a split GPU is its instances") func instances() throws {
        let facts = MemberFacts(
            name: "m",
            capabilities: [
                Label("gpu.0.model", "NVIDIA H200"), Label("gpu.0.mig", "on"), Label("gpu.0.memory.free", "140000MiB"),
                Label("gpu.0.mig.0.profile", "1g.18gb"), Label("gpu.0.mig.0.memory.free", "18000MiB"),
                Label("gpu.0.mig.11.profile", "3g.71gb"), Label("gpu.0.mig.11.memory.free", "71000MiB"),
                Label("gpu.1.mig", "on"), Label("gpu.1.memory.free", "140000MiB"),
                Label("gpu.01.memory.free", "9999999MiB"),
            ])
        func verdict(_ text: String) throws -> Verdict { try Requirement(parsing: text).evaluate(facts) }
        let fits = try verdict(#"gpu.memory.free >= 60GiB && gpu.model == "NVIDIA H200" && gpu.profile == "3g.71gb""#)
        #expect(fits.qualifies && fits.device?.description == "gpu.0.mig.11")
        #expect(try verdict("gpu.memory.free >= 100GiB").explanation.contains("69.3GiB"))
        #expect(try verdict("gpu.0.memory.free >= 100GiB").qualifies)
    }

    @Test("what a member says cannot bend what is shown, nor make it endless") func hostileTexts() throws {
        let facts = MemberFacts(name: "m", zone: "a\u{202E}b\n\u{1B}[2J\"", capabilities: [Label("cpu.cores", "9e9")])
        let lack = try Requirement(parsing: #"zone == "x" && cpu.cores > 1"#).evaluate(facts).explanation
        #expect(lack.hasPrefix(#"zone is "a\#u{FFFD}b\#u{FFFD}\#u{FFFD}[2J\"", "x" needed"#), "\(lack)")
        #expect(lack.hasSuffix(#"cpu.cores is "9e9", which is not a number, more than 1 needed"#))
        let all = (0..<60).map { "label(\"\($0)\") == \"a\"" }.joined(separator: "||")
        #expect(try Requirement(parsing: all).evaluate(facts).explanation.utf8.count < 1024)
        for value in ["", ".", "1.", ".5", "-1", "1.2.3", "99999999999999999999", "1 MiB", "１"] {
            let facts = MemberFacts(name: "m", capabilities: [Label("cpu.cores", value), Label("gpu.cuda", value)])
            #expect(try !Requirement(parsing: "cpu.cores >= 0").evaluate(facts).qualifies, "\(value)")
        }
    }
}

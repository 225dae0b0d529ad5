import ArgumentParser
import Logging
import MeshCore
import Testing

@testable import meshnode

@Suite("Configuration layers")
struct ConfigurationLayersTests {
    private static func resolve(
        flags: [String: [String]] = [:], environment: [String: String] = [:], file: String? = nil
    ) throws(MeshError) -> NodeConfiguration {
        try ConfigurationLayers(
            flags: flags, environment: environment, file: file.map { ("node.yaml", Array($0.utf8)) }
        ).resolve()
    }

    @Test("without a word every value is its default, and says so")
    func defaults() throws {
        let configuration = try Self.resolve(environment: ["HOME": "/home/me"])
        #expect(["/var/lib/meshnode", "/home/me/.local/share/meshnode"].contains(configuration.data))
        #expect(!configuration.name.isEmpty)
        #expect(configuration.bind == HostPort(host: "0.0.0.0", port: 7946))
        #expect(configuration.http == HostPort(host: "127.0.0.1", port: 7950))
        #expect(configuration.profile == .lan)
        #expect(configuration.logFormat == .text)
        #expect(configuration.logLevel == .info)
        #expect(configuration.join.isEmpty)
        #expect(configuration.token == nil)
        #expect(configuration.origins.isEmpty)
    }

    @Test("a flag beats the environment, which beats the file, which beats the default")
    func precedence() throws {
        let file = "zone: from-file\nname: from-file\nprofile: wan\n"
        let environment = ["MESHNODE_ZONE": "from-env", "MESHNODE_NAME": "from-env"]
        let configuration = try Self.resolve(flags: ["name": ["from-flag"]], environment: environment, file: file)
        #expect(configuration.name == "from-flag")
        #expect(configuration.zone == "from-env")
        #expect(configuration.profile == .wan)
        #expect(configuration.origins["name"] == .flag("name"))
        #expect(configuration.origins["zone"] == .environment("MESHNODE_ZONE"))
        #expect(configuration.origins["profile"] == .file("node.yaml", line: 3))
        #expect(configuration.origins["bind"] == nil)
        #expect(configuration.origins["profile"]?.description == "node.yaml:3")
    }

    @Test("a higher layer replaces a list, it does not add to it")
    func lists() throws {
        let file = "tags: {team: vision, rack: r1}\ncapabilities:\n  - gpu.count=2\njoin: [a:1, b]\n"
        let fromFile = try Self.resolve(file: file)
        #expect(fromFile.tags == [Label("rack", "r1"), Label("team", "vision")])
        #expect(fromFile.capabilities == [Label("gpu.count", "2")])
        #expect(fromFile.join == [HostPort(host: "a", port: 1), HostPort(host: "b", port: 7946)])
        let replaced = try Self.resolve(
            flags: ["tag": ["team=audio"]], environment: ["MESHNODE_JOIN": "c:3,d:4"], file: file)
        #expect(replaced.tags == [Label("team", "audio")])
        #expect(replaced.join.map(\.description) == ["c:3", "d:4"])
        let commas = try Self.resolve(flags: ["join": ["e:5,f", "[::1]:6"]])
        #expect(commas.join.map(\.description) == ["e:5", "f:7946", "[::1]:6"])
    }

    @Test("http can be switched off, and an empty variable is as if it were not there")
    func special() throws {
        #expect(try Self.resolve(flags: ["http": ["none"]]).http == nil)
        #expect(try Self.resolve(file: "http: none").http == nil)
        #expect(try Self.resolve(environment: ["MESHNODE_HTTP": ""]).http != nil)
        #expect(try Self.resolve(flags: ["advertise": ["node.example"]]).advertise?.port == 0)
        #expect(try Self.resolve(flags: ["data": ["relative"]]).data.hasSuffix("/relative"))
        #expect(try Self.resolve(flags: ["data": ["relative"]]).data.hasPrefix("/"))
        #expect(try Self.resolve(environment: ["MESHNODE_LOG_LEVEL": "debug"]).logLevel == .debug)
    }

    @Test(
        "a wrong value names its place and what is wrong",
        arguments: [
            ("bind", "7946", "flag --bind: '7946' has no port: write HOST:PORT"),
            ("bind", "a:99999", "flag --bind: '99999' is not a port between 0 and 65535"),
            ("bind", "::1", "flag --bind: '::1' is ambiguous: write an IPv6 address in brackets, [::1]:PORT"),
            ("bind", "[::1:7", "flag --bind: the bracket of '[::1:7' is not closed"),
            ("bind", ":7946", "flag --bind: ':7946' has no host"),
            ("http", "non", "flag --http: 'non' has no port: write HOST:PORT"),
            ("profile", "lam", "flag --profile: 'lam' is none of lan, local, wan; did you mean lan?"),
            ("log-level", "inof", "did you mean info?"),
            ("tag", "novalue", "flag --tag: 'novalue' is not KEY=VALUE"),
            ("tag", "=v", "flag --tag: '=v' is not KEY=VALUE"),
            ("name", "two words", "flag --name: 'two words' is not a word of 1 to 64 printable bytes"),
            ("zone", "a\u{1B}[31m", "is not a word of 1 to 64 printable bytes"),
        ])
    func wrongFlag(flag: String, value: String, message: String) throws {
        let error = #expect(throws: MeshError.self) { try Self.resolve(flags: [flag: [value]]) }
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
        #expect(error?.code == .invalidArgument)
    }

    @Test(
        "a mistake in the file has its line, its column and, if one is near, the name that was meant",
        arguments: [
            (
                "zone: a\nnmae: x\n", "node.yaml: line 2, column 1: the configuration has no field 'nmae'",
                "did you mean 'name'?"
            ),
            ("zone: a\n\nprofile:\n  - lan\n", "node.yaml: line 4, column 3: profile is lan|local|wan", ""),
            ("bind: 1\n", "node.yaml: line 1, column 7: bind: '1' has no port: write HOST:PORT", ""),
            (
                "tags: [a=1, {b: 2}]\n", "node.yaml: line 1, column 13: each of tags is a text, and here is a mapping",
                ""
            ),
            (
                "- a\n", "node.yaml: line 1, column 1: the configuration is a mapping, and here is a list",
                "its fields are"
            ),
            ("a: [\n", "node.yaml: line 2, column 1: not YAML:", ""),
            ("zone: a\nzone: b\n", "the field 'zone' stands twice", ""),
            ("zone: a\n---\nzone: b\n", "one document is expected", ""),
            ("token: mesh1.secret\n", "the configuration has no field 'token'", ""),
            ("zone: \tx: y\n", "node.yaml: line 1", ""),
        ])
    func wrongFile(text: String, message: String, hint: String) throws {
        let error = #expect(throws: MeshError.self) { try Self.resolve(file: text) }
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
        #expect(error?.hint.contains(hint) == true || hint.isEmpty, "\(error?.hint ?? "")")
    }

    @Test("an empty file, and one of comments, says nothing")
    func emptyFile() throws {
        #expect(try Self.resolve(file: "").origins.isEmpty)
        #expect(try Self.resolve(file: "# zone: a\n\n").origins.isEmpty)
        #expect(try Self.resolve(file: "zone:\n").origins.isEmpty)
    }

    @Test("labels that gossip cannot carry are refused, duplicates too")
    func labelLimits() throws {
        let many = (0..<8).map { "key\($0)=" + String(repeating: "v", count: 100) }
        #expect(throws: MeshError.self) { try Self.resolve(flags: ["tag": many]) }
        #expect(throws: MeshError.self) { try Self.resolve(flags: ["tag": ["a=1", "a=2"]]) }
        #expect(throws: MeshError.self) {
            try Self.resolve(flags: ["tag": ["a=" + String(repeating: "v", count: 129)]])
        }
    }

    @Test("every setting has one flag, one variable and at most one key")
    func table() {
        #expect(Set(Setting.all.map(\.name)).count == Setting.all.count)
        #expect(Set(Setting.all.map(\.variable)).count == Setting.all.count)
        #expect(Set(Setting.all.compactMap(\.key)).count == Setting.all.compactMap(\.key).count)
        #expect(Setting.named("log-format")?.variable == "MESHNODE_LOG_FORMAT")
        #expect(Setting.all.filter(\.isSecret).map(\.name) == ["token"])
    }

    @Test("the flags of start are those of the table, each reaching its own setting")
    func flags() throws {
        for setting in Setting.all {
            let options = try NodeOptions.parse(["--\(setting.name)", "value"])
            #expect(options.given.filter { !$0.value.isEmpty } == [setting.name: ["value"]])
        }
    }
}

@Suite("Values as people write them")
struct ValuesTests {
    @Test(
        "durations",
        arguments: [
            ("500ms", Duration.milliseconds(500)), ("30s", .seconds(30)), ("2m", .seconds(120)),
            ("1h", .seconds(3_600)),
            ("0s", .zero),
        ])
    func durations(text: String, duration: Duration) throws { #expect(try Duration(parsing: text) == duration) }

    @Test(
        "what is no duration is refused",
        arguments: ["", "30", "s", "-1s", "1.5s", "1 s", "1d", "99999999999999999999s", "9999999h", "٣s"])
    func noDurations(text: String) { #expect(throws: InvalidValue.self) { try Duration(parsing: text) } }

    @Test("a slip of one or two letters finds the word, a guess does not")
    func nearestWord() {
        let known = ["name", "bind", "advertise", "http", "profile"]
        #expect(nearest(to: "nmae", among: known) == "name")
        #expect(nearest(to: "Profle", among: known) == "profile")
        #expect(nearest(to: "adverstise", among: known) == "advertise")
        #expect(nearest(to: "zone", among: known) == nil)
        #expect(nearest(to: "", among: known) == nil)
        #expect(nearest(to: String(repeating: "x", count: 100_000), among: known) == nil)
    }

    @Test("hosts and ports come back as they were written")
    func hostPorts() throws {
        for text in ["127.0.0.1:7946", "[2001:db8::1]:1", "node.example:0"] {
            #expect(try HostPort(parsing: text).description == text)
        }
        #expect(try HostPort(parsing: "[::1]", defaultPort: 5).description == "[::1]:5")
    }
}

internal import Logging
internal import MeshCore
internal import MeshStorage

/// One thing that can be configured. The table of these drives flags, environment, file, defaults and help alike.
package struct Setting: Sendable {
    /// The flag is `--NAME`.
    package let name: String
    /// The key in the file; nil keeps it out of the file.
    package let key: String?
    let placeholder: String
    let help: String
    /// May be given several times, and as a list in the file.
    let isList: Bool
    let isSecret: Bool
    /// Throws `InvalidValue`.
    let assign: @Sendable (inout NodeConfiguration, [String]) throws -> Void
    let show: @Sendable (NodeConfiguration) -> String

    package var variable: String {
        "MESHNODE_" + self.name.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
    }

    /// In the order of `meshnode config`.
    package static let all: [Setting] = [
        .one("data", "DIR", "Data folder; default /var/lib/meshnode as root, else ~/.local/share/meshnode.") {
            $0.data = try folder($1)
        } show: {
            $0.data
        },
        .one("name", "NAME", "Name of the node for people; default the name of the host.") {
            $0.name = try word($1)
        } show: {
            $0.name
        },
        .one("bind", "HOST:PORT", "UDP and TCP of the mesh; port 0 lets the system choose. Default 0.0.0.0:7946.") {
            $0.bind = try HostPort(parsing: $1)
        } show: {
            $0.bind.description
        },
        .one("advertise", "HOST[:PORT]", "What peers are told to reach this node; default the bound address.") {
            $0.advertise = try HostPort(parsing: $1, defaultPort: 0)
        } show: {
            $0.advertise?.description ?? ""
        },
        .one("http", "HOST:PORT|none", "HTTP API, besides the socket in the data folder. Default 127.0.0.1:7950.") {
            $0.http = $1 == "none" ? nil : try HostPort(parsing: $1)
        } show: {
            $0.http?.description ?? "none"
        },
        .one("profile", "lan|local|wan", "Timing of the failure detector. Default lan.") {
            $0.profile = try choice($1)
        } show: {
            $0.profile.rawValue
        },
        .one("zone", "ZONE", "Failure domain, such as a rack or a data centre.") {
            $0.zone = $1.isEmpty ? "" : try word($1)
        } show: {
            $0.zone
        },
        .list("tag", key: "tags", "K=V", "A fixed label of the node; may be given several times.") {
            $0.tags = try labels($1)
        } show: {
            shown($0.tags)
        },
        .list("capability", key: "capabilities", "K=V", "An advertised capability; may be given several times.") {
            $0.capabilities = try labels($1)
        } show: {
            shown($0.capabilities)
        },
        .one(
            "nvml", "auto|none|PATH", "NVIDIA's management library, for GPUs. Default auto: that of the loaded driver."
        ) {
            $0.nvml = try NVMLSetting(parsing: $1)
        } show: {
            $0.nvml.description
        },
        .one("memory", "SIZE", "What the database may keep in memory, such as 64MiB. Default 24MiB.") {
            $0.memory = try memory($1)
        } show: {
            $0.memory.description
        },
        .one("log-format", "text|json", "Default text.") {
            $0.logFormat = try choice($1)
        } show: {
            $0.logFormat.rawValue
        },
        .one("log-level", "LEVEL", "trace, debug, info, notice, warning, error or critical. Default info.") {
            $0.logLevel = try choice($1)
        } show: {
            $0.logLevel.rawValue
        },
        .list("join", key: "join", "HOST:PORT[,...]", "Nodes of the mesh to join; needs a token.") {
            $0.join = try $1.map { try HostPort(parsing: $0, defaultPort: NodeConfiguration.portDefault) }
        } show: {
            $0.join.map(\.description).joined(separator: ",")
        },
        .one("token-file", "FILE", "File with the join token; - reads it from standard input.") {
            $0.tokenFile = $1
        } show: {
            $0.tokenFile ?? ""
        },
        .secret("token", "TOKEN", "The join token. It shows in ps: prefer --token-file or MESHNODE_TOKEN.") {
            $0.token = $1
        } show: {
            $0.token ?? ""
        },
    ]

    package static func named(_ name: String) -> Setting? { self.all.first { $0.name == name } }

    private typealias Assign<Value> = @Sendable (inout NodeConfiguration, Value) throws -> Void
    private typealias Show = @Sendable (NodeConfiguration) -> String

    private static func one(
        _ name: String, _ placeholder: String, _ help: String, assign: @escaping Assign<String>, show: @escaping Show
    ) -> Setting {
        Setting(
            name: name, key: name, placeholder: placeholder, help: help, isList: false, isSecret: false,
            assign: { configuration, values in try assign(&configuration, single(values)) }, show: show)
    }

    private static func list(
        _ name: String, key: String, _ placeholder: String, _ help: String, assign: @escaping Assign<[String]>,
        show: @escaping Show
    ) -> Setting {
        Setting(
            name: name, key: key, placeholder: placeholder, help: help, isList: true, isSecret: false, assign: assign,
            show: show)
    }

    /// Not in the file: configuration is copied, backed up and read by many; a secret has a file of its own.
    private static func secret(
        _ name: String, _ placeholder: String, _ help: String, assign: @escaping Assign<String>, show: @escaping Show
    ) -> Setting {
        Setting(
            name: name, key: nil, placeholder: placeholder, help: help, isList: false, isSecret: true,
            assign: { configuration, values in try assign(&configuration, single(values)) }, show: show)
    }
}

// MARK: parsers of values

private func single(_ values: [String]) throws(InvalidValue) -> String {
    guard values.count == 1, let value = values.first else {
        throw InvalidValue("takes one value, not \(values.count)")
    }
    return value
}

private func memory(_ text: String) throws(InvalidValue) -> ByteCountText {
    let size = try ByteCountText(parsing: text)
    guard size.bytes >= RocksStorage.memoryMin else {
        throw InvalidValue("'\(text)' is less than the \(ByteCountText(RocksStorage.memoryMin)) that it needs")
    }
    return size
}

private func folder(_ text: String) throws(InvalidValue) -> String {
    guard !text.isEmpty, !text.utf8.contains(0) else { throw InvalidValue("is not a folder") }
    return text
}

/// Shown in tables and sent to every member: short, and nothing that a terminal would obey.
private func word(_ text: String) throws(InvalidValue) -> String {
    guard 1...64 ~= text.utf8.count, text.unicodeScalars.allSatisfy({ !$0.properties.isWhitespace && isPrintable($0) })
    else { throw InvalidValue("'\(text)' is not a word of 1 to 64 printable bytes") }
    return text
}

private func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    default: true
    }
}

private func choice<Value: RawRepresentable & CaseIterable>(_ text: String) throws(InvalidValue) -> Value
where Value.RawValue == String {
    if let value = Value(rawValue: text) { return value }
    let all = Value.allCases.map(\.rawValue)
    let guess = nearest(to: text, among: all).map { "; did you mean \($0)?" } ?? ""
    throw InvalidValue("'\(text)' is none of \(all.joined(separator: ", "))\(guess)")
}

private func labels(_ texts: [String]) throws(InvalidValue) -> [Label] {
    var labels: [Label] = []
    for text in texts {
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
            throw InvalidValue("'\(text)' is not KEY=VALUE")
        }
        let key = try word(String(text[..<equals]))
        let value = String(text[text.index(after: equals)...])
        guard value.utf8.count <= 128, value.unicodeScalars.allSatisfy(isPrintable) else {
            throw InvalidValue("the value of '\(key)' is not up to 128 printable bytes")
        }
        guard !labels.contains(where: { $0.key == key }) else { throw InvalidValue("'\(key)' is given twice") }
        labels.append(Label(key, value))
    }
    let bytes = labels.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count + 2 }
    guard bytes <= MemberDescription.labelBytesMax else {
        throw InvalidValue("\(bytes) bytes are more than the \(MemberDescription.labelBytesMax) that gossip carries")
    }
    return labels.sorted()
}

private func shown(_ labels: [Label]) -> String { labels.map { "\($0.key)=\($0.value)" }.joined(separator: ",") }

internal import FoundationEssentials
internal import Glibc
package import MeshCore

/// Where a value came from.
package enum Origin: Hashable, Sendable, CustomStringConvertible {
    case flag(String)
    case environment(String)
    case file(String, line: Int)
    case standard

    package var description: String {
        switch self {
        case .flag(let name): "flag --\(name)"
        case .environment(let name): "environment \(name)"
        case .file(let path, let line): "\(path):\(line)"
        case .standard: "default"
        }
    }
}

/// What the operator said, layer by layer: a flag beats the environment, which beats the file.
package struct ConfigurationLayers: Sendable {
    /// By the setting's name; several values for settings that are lists.
    package var flags: [String: [String]]
    package var environment: [String: String]
    /// Its path, for messages, and its bytes.
    package var file: (path: String, bytes: [UInt8])?

    package init(
        flags: [String: [String]] = [:], environment: [String: String] = [:],
        file: (path: String, bytes: [UInt8])? = nil
    ) {
        self.flags = flags
        self.environment = environment
        self.file = file
    }

    /// The typed configuration; throws the first value that is wrong, with its place.
    package func resolve() throws(MeshError) -> NodeConfiguration {
        var configuration = NodeConfiguration()
        try self.applyFile(to: &configuration)
        for setting in Setting.all {
            if let text = self.environment[setting.variable], !text.isEmpty {
                let values = setting.isList ? text.split(separator: ",").map(String.init) : [text]
                try self.assign(values, of: setting, from: .environment(setting.variable), to: &configuration)
            }
            if let values = self.flags[setting.name], !values.isEmpty {
                let parts =
                    setting.name == "join" ? values.flatMap { $0.split(separator: ",").map(String.init) } : values
                try self.assign(parts, of: setting, from: .flag(setting.name), to: &configuration)
            }
        }
        fillDefaults(&configuration, home: self.environment["HOME"])
        return configuration
    }

    private func assign(
        _ values: [String], of setting: Setting, from origin: Origin, to configuration: inout NodeConfiguration
    ) throws(MeshError) {
        do { try setting.assign(&configuration, values) } catch {
            // A secret that is wrong is still a secret.
            let reason = setting.isSecret ? "is malformed" : "\(error)"
            throw MeshError(
                .invalidArgument, "\(origin): \(reason)", hint: setting.mend(for: origin))
        }
        configuration.origins[setting.name] = origin
    }

    private func applyFile(to configuration: inout NodeConfiguration) throws(MeshError) {
        guard let file = self.file else { return }
        do throws(DocumentError) {
            let parts = try DocumentParser.parse(file.bytes)
            guard parts.count <= 1 else {
                throw DocumentError("one document is expected", at: parts[1].document.place)
            }
            guard let document = parts.first?.document else { return }
            let known = Setting.all.compactMap(\.key)
            for field in try document.fields(of: "the configuration", known: known).fields {
                guard let setting = Setting.all.first(where: { $0.key == field.key }),
                    let values = try self.values(of: field, for: setting)
                else { continue }
                let origin = Origin.file(file.path, line: field.place.line)
                do { try setting.assign(&configuration, values) } catch {
                    throw DocumentError("\(field.key): \(error)", at: field.value.place)
                }
                configuration.origins[setting.name] = origin
            }
        } catch {
            throw MeshError(.invalidArgument, "\(file.path): \(error)", hint: error.hint)
        }
    }

    /// A list may be written as one, as a mapping (for `K=V`), or as a single value.
    private func values(of field: Document.Field, for setting: Setting) throws(DocumentError) -> [String]? {
        switch field.value.content {
        case .null: return nil
        case .scalar(let text): return [text]
        case .sequence where setting.isList: return try field.value.strings(field.key)
        case .mapping where setting.placeholder == "K=V":
            return try field.value.stringMap(field.key).map { "\($0.key)=\($0.value)" }
        case .sequence, .mapping:
            throw DocumentError("\(field.key) is \(setting.placeholder)", at: field.value.place)
        }
    }

}

private func fillDefaults(_ configuration: inout NodeConfiguration, home: String?) {
    if configuration.data.isEmpty { configuration.data = defaultDataFolder(home: home) }
    if !configuration.data.hasPrefix("/") {
        configuration.data = FileManager.default.currentDirectoryPath + "/" + configuration.data
    }
    if configuration.name.isEmpty {
        let host = ProcessInfo.processInfo.hostName.split(separator: ".").first.map(String.init) ?? ""
        configuration.name = host.isEmpty ? "node" : String(host.prefix(64))
    }
}

/// Where the system keeps such things for root, and where a user's own data lies for everyone else.
func defaultDataFolder(home: String?) -> String {
    geteuid() == 0 ? "/var/lib/meshnode" : (home ?? "/tmp") + "/.local/share/meshnode"
}

extension Setting {
    /// How a wrong value is mended: an example of a right one, as it is written where the wrong one stood.
    func mend(for origin: Origin) -> String {
        let example = Self.examples[self.name] ?? self.placeholder
        return switch origin {
        case .environment: "such as \(self.variable)=\(example)"
        default: "such as --\(self.name) \(example)"
        }
    }

    private static let examples = [
        "data": "/srv/meshnode", "name": "node-a", "bind": "0.0.0.0:7946", "advertise": "node-a.example:7946",
        "http": "127.0.0.1:7950, or none", "profile": "lan", "zone": "eu-1", "tag": "team=vision",
        "capability": "model=llama", "memory": "64MiB", "log-format": "json", "log-level": "info",
        "join": "node-b.example:7946",
        "token-file": "/etc/meshnode/join.token",
    ]
}

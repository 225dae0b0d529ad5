/// What a member says of itself today and what is measured of it, under the names that requirements use.
package struct MemberFacts: Sendable {
    package var name: String
    package var zone: String
    package var version: String
    package var labels: [String: String]
    package var capabilities: [String: String]
    package var roundTrip: Duration?
    /// In order.
    let devices: [Device]

    package init(
        name: String, zone: String = "", version: String = "", labels: [Label] = [], capabilities: [Label] = [],
        roundTrip: Duration? = nil
    ) {
        self.name = name
        self.zone = zone
        self.version = version
        self.labels = Dictionary(labels.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        self.capabilities = Dictionary(capabilities.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        self.roundTrip = roundTrip
        self.devices = Self.devices(in: capabilities)
    }

    package init(_ member: Member) {
        self.init(
            name: member.description.name, zone: member.description.zone, version: member.description.version,
            labels: member.description.tags, capabilities: member.capabilities, roundTrip: member.roundTrip)
    }

    /// Nothing can be given to a split GPU, only to its instances.
    private static func devices(in capabilities: [Label]) -> [Device] {
        let split = capabilities.compactMap { label in
            label.value == "on" ? DevicePlace(key: label.key).flatMap { $0.rest == "mig" ? $0.device.gpu : nil } : nil
        }
        let all = Set(capabilities.compactMap { DevicePlace(key: $0.key)?.device })
        let whole = Set(split + all.filter { $0.instance != nil }.map(\.gpu))
        return all.filter { $0.instance != nil || !whole.contains($0.gpu) }.sorted()
    }

    enum Found: Hashable {
        case text(String)
        case quantity(Quantity)
    }

    /// Nil if the member does not advertise it. An empty zone or version is none.
    func value(of subject: Subject, device: Device?) -> Found? {
        switch subject {
        case .name: .text(self.name)
        case .zone: self.zone.isEmpty ? nil : .text(self.zone)
        case .version: self.version.isEmpty ? nil : .text(self.version)
        case .roundTrip: self.roundTrip.map { .quantity(Quantity(nanoseconds: $0.nanoseconds)) }
        case .capability(let key): self.capabilities[key].map(Found.text)
        case .label(let key): self.labels[key].map(Found.text)
        case .device(let rest):
            // What an instance does not tell is told of the GPU that it is part of.
            device.flatMap { device in
                self.capabilities["\(device).\(rest)"] ?? self.capabilities["gpu.\(device.gpu).\(rest)"]
            }.map(Found.text)
        }
    }

    /// Under the capability `model`: one name, or several with commas between them.
    func serves(model: String) -> Bool {
        self.capabilities["model"]?.split(separator: ",").contains { part in
            part.drop { $0 == " " }.prefix { $0 != " " } == model
        } ?? false
    }
}

/// What a condition speaks of: something that members advertise, or that is measured of them.
package enum Subject: Hashable, Sendable {
    case name
    case zone
    /// Of meshnode.
    case version
    /// To the member, from where the actor's partition is led.
    case roundTrip
    /// A capability under its key: one of `docs/capabilities.md` or an operator's own.
    case capability(String)
    /// Of one GPU of the member, or one instance of a split one: the rest of the key behind `gpu.N.`. Whatever a
    /// requirement says of a GPU, it says of the same.
    case device(String)
    /// A tag of the node.
    case label(String)

    enum Kind: Hashable, Sendable {
        case text
        case quantity(Quantity.Unit)
        case version
        /// An operator's own: what it is compared with says how it is read.
        case open
    }

    private static let ofMember: [(name: String, subject: Subject, kind: Kind)] = [
        ("name", .name, .text), ("zone", .zone, .text), ("version", .version, .version),
        ("rtt", .roundTrip, .quantity(.duration)),
    ]

    private static let ofHost: [(name: String, kind: Kind)] = [
        ("cpu.arch", .text), ("cpu.cores", .quantity(.none)), ("memory.total", .quantity(.bytes)),
        ("memory.available", .quantity(.bytes)), ("disk.total", .quantity(.bytes)), ("disk.free", .quantity(.bytes)),
        ("gpu.count", .quantity(.none)), ("gpu.driver", .version), ("gpu.cuda", .version),
    ]

    private static let ofDevice: [(name: String, kind: Kind)] = [
        ("model", .text), ("uuid", .text), ("memory.total", .quantity(.bytes)), ("memory.free", .quantity(.bytes)),
        ("utilization", .quantity(.percent)), ("temperature", .quantity(.celsius)), ("mig", .text), ("profile", .text),
    ]

    /// Names that stand for themselves.
    static let names =
        ofMember.map(\.name) + ofHost.map(\.name) + ofDevice.map { "gpu." + $0.name }

    init?(name: String) {
        if let known = Self.ofMember.first(where: { $0.name == name }) {
            self = known.subject
        } else if let rest = name.droppingPrefix("gpu."), Self.ofDevice.contains(where: { $0.name == rest }) {
            self = .device(rest)
        } else if Self.kind(ofCapability: name) != .open {
            self = .capability(name)
        } else {
            return nil
        }
    }

    var kind: Kind {
        switch self {
        case .name, .zone: .text
        case .version: .version
        case .roundTrip: .quantity(.duration)
        case .capability(let key): Self.kind(ofCapability: key)
        case .device(let rest): Self.kind(ofDevice: rest)
        case .label: .open
        }
    }

    /// `open` for what no probe tells.
    private static func kind(ofCapability key: String) -> Kind {
        if let known = self.ofHost.first(where: { $0.name == key }) { return known.kind }
        guard let place = DevicePlace(key: key) else { return .open }
        return self.kind(ofDevice: place.rest)
    }

    private static func kind(ofDevice rest: String) -> Kind {
        self.ofDevice.first { $0.name == rest }?.kind ?? .open
    }
}

extension Subject: CustomStringConvertible {
    package var description: String {
        switch self {
        case .name, .zone, .version, .roundTrip:
            Self.ofMember.first { $0.subject == self }?.name ?? ""
        case .capability(let key): Self.kind(ofCapability: key) == .open ? "capability(\(quoted(key)))" : key
        case .device(let rest): "gpu." + rest
        case .label(let key): "label(\(quoted(key)))"
        }
    }
}

/// Where a key such as `gpu.0.memory.free` or `gpu.0.mig.1.profile` belongs.
struct DevicePlace {
    var device: Device
    var rest: String

    init?(key: String) {
        guard let behind = key.droppingPrefix("gpu."), let (number, rest) = Self.number(behind) else { return nil }
        if let instance = rest.droppingPrefix("mig."), let (index, rest) = Self.number(instance) {
            self.device = Device(gpu: number, instance: index)
            self.rest = rest
        } else {
            self.device = Device(gpu: number, instance: nil)
            self.rest = rest
        }
    }

    private static func number(_ text: String) -> (Int, String)? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let rest = text[digits.endIndex...]
        // One spelling of each number, so that a key has one place.
        guard digits.count <= 4, digits.first != "0" || digits.count == 1, let number = Int(digits), rest.first == "."
        else { return nil }
        return (number, String(rest.dropFirst()))
    }
}

/// A GPU that work can be given to: a whole one, or an instance of one that is split.
package struct Device: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var gpu: Int
    package var instance: Int?

    package static func < (left: Device, right: Device) -> Bool {
        (left.gpu, left.instance ?? -1) < (right.gpu, right.instance ?? -1)
    }

    /// What its keys begin with.
    package var description: String { "gpu.\(self.gpu)" + (self.instance.map { ".mig.\($0)" } ?? "") }
}

extension String {
    fileprivate func droppingPrefix(_ prefix: String) -> String? {
        self.hasPrefix(prefix) ? String(self.dropFirst(prefix.count)) : nil
    }
}

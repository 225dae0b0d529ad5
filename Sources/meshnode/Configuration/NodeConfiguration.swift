package import Logging
package import MeshCore
internal import MeshStorage

/// Everything `meshnode start` was told, typed and checked; `settings` says where each value came from.
package struct NodeConfiguration: Sendable {
    package enum Profile: String, Sendable, CaseIterable {
        case lan, local, wan

        var membership: Membership.Configuration {
            switch self {
            case .lan: .lan
            case .local: .local
            case .wan: .wan
            }
        }
    }

    package enum LogFormat: String, Sendable, CaseIterable { case text, json }

    static let portDefault: UInt16 = 7946
    static let httpPortDefault: UInt16 = 7950

    /// The data folder, absolute.
    package var data = ""
    package var name = ""
    /// UDP and TCP of the mesh; port 0 lets the system choose.
    package var bind = HostPort(host: "0.0.0.0", port: Self.portDefault)
    /// What peers are told instead of the bound address; port 0 stands for the bound port.
    package var advertise: HostPort?
    /// nil switches HTTP over TCP off; the socket in the data folder stays.
    package var http: HostPort? = HostPort(host: "127.0.0.1", port: Self.httpPortDefault)
    package var profile = Profile.lan
    package var zone = ""
    /// Sorted by key, keys unique; so are the capabilities.
    package var tags: [Label] = []
    package var capabilities: [Label] = []
    /// Which driver's library tells about GPUs.
    package var nvml = NVMLSetting.automatic
    /// What the database may keep in memory.
    package var memory = ByteCountText(RocksStorage.memoryDefault)
    package var logFormat = LogFormat.text
    package var logLevel = Logger.Level.info
    /// Seeds; empty to create a mesh or to resume one.
    package var join: [HostPort] = []
    /// The join token, from the flag, the environment or the file of `tokenFile`; not yet parsed.
    package var token: String?
    package var tokenFile: String?
    /// Where each value came from, by the setting's name; what is missing is a default.
    package var origins: [String: Origin] = [:]

    package init() {}
}

/// A host by name or address, and a port, as people write them.
package struct HostPort: Hashable, Sendable, CustomStringConvertible {
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    package var host: String
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// `example.org:7946`, `192.0.2.1:7946`, `[2001:db8::1]:7946`; without a port where `defaultPort` is given.
    package init(parsing text: String, defaultPort: UInt16? = nil) throws(InvalidValue) {
        var host = text[...]
        var port: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else {
                throw InvalidValue("the bracket of '\(text)' is not closed")
            }
            host = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { throw InvalidValue("'\(text)' is not [ADDRESS]:PORT") }
            port = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = text.lastIndex(of: ":") {
            guard text.firstIndex(of: ":") == colon else {
                let address = text[..<colon]
                let meant =
                    UInt16(text[text.index(after: colon)...]) != nil && !address.hasSuffix(":")
                    ? "[\(address)]:\(text[text.index(after: colon)...])" : "[\(text)]:PORT"
                throw InvalidValue("'\(text)' is ambiguous: write an IPv6 address in brackets, \(meant)")
            }
            host = text[..<colon]
            port = text[text.index(after: colon)...]
        }
        guard !host.isEmpty, host.utf8.count <= 253,
            host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") })
        else { throw InvalidValue("'\(text)' has no host") }
        guard let port else {
            guard let defaultPort else { throw InvalidValue("'\(text)' has no port: write HOST:PORT") }
            self.init(host: String(host), port: defaultPort)
            return
        }
        guard let number = UInt16(port), port.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) else {
            throw InvalidValue("'\(port)' is not a port between 0 and 65535")
        }
        self.init(host: String(host), port: number)
    }

    package var description: String {
        self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
    }
}

/// What is wrong with one value; whoever knows where the value stood adds the place.
package struct InvalidValue: Error, Sendable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}

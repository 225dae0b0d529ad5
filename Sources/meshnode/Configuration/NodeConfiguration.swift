internal import Logging
internal import MeshCore

/// Everything `meshnode start` was told, typed and checked; `settings` says where each value came from.
struct NodeConfiguration: Sendable {
    enum Profile: String, Sendable, CaseIterable {
        case lan, local, wan

        var membership: Membership.Configuration {
            switch self {
            case .lan: .lan
            case .local: .local
            case .wan: .wan
            }
        }
    }

    enum LogFormat: String, Sendable, CaseIterable { case text, json }

    static let portDefault: UInt16 = 7946
    static let httpPortDefault: UInt16 = 7950

    /// The data folder, absolute.
    var data = ""
    var name = ""
    /// UDP and TCP of the mesh; port 0 lets the system choose.
    var bind = HostPort(host: "0.0.0.0", port: Self.portDefault)
    /// What peers are told instead of the bound address; port 0 stands for the bound port.
    var advertise: HostPort?
    /// nil switches HTTP over TCP off; the socket in the data folder stays.
    var http: HostPort? = HostPort(host: "127.0.0.1", port: Self.httpPortDefault)
    var profile = Profile.lan
    var zone = ""
    /// Sorted by key, keys unique; so are the capabilities.
    var tags: [Label] = []
    var capabilities: [Label] = []
    var logFormat = LogFormat.text
    var logLevel = Logger.Level.info
    /// Seeds; empty to create a mesh or to resume one.
    var join: [HostPort] = []
    /// The join token, from the flag, the environment or the file of `tokenFile`; not yet parsed.
    var token: String?
    var tokenFile: String?
}

/// A host by name or address, and a port, as people write them.
struct HostPort: Hashable, Sendable, CustomStringConvertible {
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    var host: String
    var port: UInt16

    init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// `example.org:7946`, `192.0.2.1:7946`, `[2001:db8::1]:7946`; without a port where `defaultPort` is given.
    init(parsing text: String, defaultPort: UInt16? = nil) throws(InvalidValue) {
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
                throw InvalidValue("'\(text)' is ambiguous: write an IPv6 address as [\(text)]:PORT")
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

    var description: String { self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)" }
}

/// What is wrong with one value; whoever knows where the value stood adds the place.
struct InvalidValue: Error, Sendable, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

internal import FoundationEssentials
internal import MeshCore
internal import MeshGateway

/// The node that a command talks to, and what it shows to be let in.
struct NodeAddress: Sendable {
    /// Where requests go: an http URL without a path, or `http+unix://` and the socket.
    let base: String
    /// For messages.
    let description: String
    let token: String?

    /// `--node` (or MESHNODE_NODE) beats the socket in the data folder.
    init(node: String?, data: String?, tokenFile: String?, environment: [String: String]) throws {
        let folder = data ?? environment["MESHNODE_DATA"] ?? defaultDataFolder(home: environment["HOME"])
        if let node = node ?? environment["MESHNODE_NODE"], !node.isEmpty {
            self.base = try Self.url(node)
            self.description = self.base
            self.token = try Self.token(tokenFile, folder: folder, environment: environment)
            return
        }
        let socket = folder + "/api.sock"
        guard socket.utf8.count <= HTTPGateway.Address.pathBytesMax else {
            throw CommandFailure("the path \(socket) is too long for a socket", hint: "use --node URL", status: .usage)
        }
        let allowed = socket.utf8.map { byte in
            isPlain(byte) ? String(UnicodeScalar(byte)) : "%" + hexadecimal(byte)
        }
        self.base = "http+unix://" + allowed.joined()
        self.description = socket
        self.token = nil
    }

    private static func url(_ text: String) throws -> String {
        let trimmed = text.hasSuffix("/") ? String(text.dropLast()) : text
        let rest = trimmed.hasPrefix("http://") ? String(trimmed.dropFirst(7)) : trimmed
        guard !rest.contains("/"), !rest.contains("@"), !rest.contains("?"), !rest.contains("#") else {
            throw CommandFailure(
                "'\(text)' is not the URL of a node", hint: "write it as http://HOST:PORT", status: .usage)
        }
        do {
            let address = try HostPort(parsing: rest, defaultPort: NodeConfiguration.httpPortDefault)
            return "http://\(address)"
        } catch {
            throw CommandFailure("--node: \(error)", hint: "write it as http://HOST:PORT", status: .usage)
        }
    }

    /// Named, then in the environment, then what a node on this machine left in its folder; none is no mistake yet.
    private static func token(
        _ file: String?, folder: String, environment: [String: String]
    ) throws -> String? {
        var text: String?
        if let file {
            text = String(decoding: try readInput(file, limit: 4_096), as: UTF8.self)
        } else if let given = environment["MESHNODE_ADMIN_TOKEN"] {
            text = given
        } else if let bytes = try? FileIO.read(folder + "/admin.token", limit: 4_096) {
            text = String(decoding: bytes, as: UTF8.self)
        }
        let token = text?.split(whereSeparator: \.isWhitespace).joined() ?? ""
        guard token.utf8.allSatisfy({ 0x20..<0x7F ~= $0 }) else {
            throw CommandFailure("the token holds more than printable ASCII", status: .usage)
        }
        return token.isEmpty ? nil : token
    }
}

private func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
        true
    default: false
    }
}

private func hexadecimal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return digits.count == 1 ? "0" + digits : digits
}

/// One segment of a URL's path, everything encoded that could be read as something else.
func percentEncoded(_ text: String) -> String {
    text.utf8.map { isPlain($0) ? String(UnicodeScalar($0)) : "%" + hexadecimal($0) }.joined()
}

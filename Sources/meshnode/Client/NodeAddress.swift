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

    /// All that were named, with commas between them, each with its token: one for all, or as many, in the same order.
    static func all(
        node: String?, data: String?, tokenFile: String?, environment: [String: String]
    ) throws -> [NodeAddress] {
        guard let list = node ?? environment["MESHNODE_NODE"], list.contains(",") else {
            return [try NodeAddress(node: node, data: data, tokenFile: tokenFile, environment: environment)]
        }
        let nodes = list.split(separator: ",").map { $0.filter { $0 != " " } }.filter { !$0.isEmpty }
        guard !nodes.isEmpty else {
            throw CommandFailure(
                "--node: '\(list)' names no node", hint: "write it as http://HOST:PORT", status: .usage)
        }
        let files = tokenFile?.split(separator: ",").map(String.init) ?? []
        let tokens = environment["MESHNODE_ADMIN_TOKEN"]?.split(separator: ",").map(String.init) ?? []
        for (what, count) in [("--token-file", files.count), ("MESHNODE_ADMIN_TOKEN", tokens.count)]
        where count > 1 && count != nodes.count {
            throw CommandFailure(
                "\(what) names \(count) tokens for \(nodes.count) nodes", hint: "one for all, or one for each",
                status: .usage)
        }
        return try nodes.enumerated().map { place, node in
            var environment = environment
            environment["MESHNODE_ADMIN_TOKEN"] = tokens.count > 1 ? tokens[place] : tokens.first
            return try NodeAddress(
                node: node, data: data, tokenFile: files.count > 1 ? files[place] : files.first,
                environment: environment)
        }
    }

    /// `--node` (or MESHNODE_NODE) beats the socket in the data folder.
    init(node: String?, data: String?, tokenFile: String?, environment: [String: String]) throws {
        let folder = data ?? environment["MESHNODE_DATA"] ?? defaultDataFolder(home: environment["HOME"])
        if let node = node ?? environment["MESHNODE_NODE"], !node.isEmpty {
            self.base = try Self.url(node)
            self.description = self.base
            self.token = try Self.token(tokenFile, of: self.base, folder: folder, environment: environment)
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

    /// Named, then in the environment, then the folder's own where the URL is that of the folder's node: a token must
    /// not go to whoever listens at some other address. None is no mistake yet.
    private static func token(
        _ file: String?, of url: String, folder: String, environment: [String: String]
    ) throws -> String? {
        var text: String?
        if let file {
            text = String(decoding: try readInput(file, limit: 4_096), as: UTF8.self)
        } else if let given = environment["MESHNODE_ADMIN_TOKEN"] {
            text = given
        } else if self.isNode(of: folder, at: url),
            let bytes = try? FileIO.read(folder + "/admin.token", limit: 4_096)
        {
            text = String(decoding: bytes, as: UTF8.self)
        }
        let token = text?.split(whereSeparator: \.isWhitespace).joined() ?? ""
        guard token.utf8.allSatisfy({ 0x20..<0x7F ~= $0 }) else {
            throw CommandFailure("the token holds more than printable ASCII", status: .usage)
        }
        return token.isEmpty ? nil : token
    }
}

extension NodeAddress {
    /// Whether the node of this folder bound this address, or this port for every address of the machine.
    private static func isNode(of folder: String, at url: String) -> Bool {
        struct Bound: Decodable { var http: String? }
        guard let bytes = try? FileIO.read(folder + "/addresses.json", limit: 64 << 10),
            let http = (try? JSONDecoder().decode(Bound.self, from: Data(bytes)))?.http,
            let bound = try? HostPort(parsing: http.replacing("http://", with: "")),
            let asked = try? HostPort(parsing: String(url.dropFirst(7)))
        else { return false }
        let isLocal = ["127.0.0.1", "::1", "localhost"].contains(asked.host)
        let isEvery = ["0.0.0.0", "::"].contains(bound.host)
        return asked == bound || (asked.port == bound.port && isLocal && (isEvery || bound.host == "127.0.0.1"))
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

internal import FoundationEssentials
internal import MeshCore
internal import MeshTransport

/// `addresses.json`: what was bound, for programs that let the system choose ports.
struct Addresses: Codable {
    /// Where this node listens, UDP and TCP.
    var bind: String
    /// Where others reach it.
    var advertise: String
    var http: String?
    var socket: String
    var pid: Int32

    init(_ addresses: MeshNetwork.Addresses, http: String?, socket: String) {
        self.bind = addresses.bound.description
        self.advertise = addresses.advertised.description
        self.http = http
        self.socket = socket
        self.pid = ProcessInfo.processInfo.processIdentifier
    }

    var json: [UInt8] {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
            return Array(try encoder.encode(self)) + Array("\n".utf8)
        }
    }
}

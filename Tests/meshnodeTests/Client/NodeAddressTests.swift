import Foundation
import Testing

@testable import meshnode

@Suite("Which node, and with which token")
struct NodeAddressTests {
    /// A folder whose node bound `http`.
    private static func withFolder(http: String?, _ body: (String) throws -> Void) throws {
        try withTemporaryFolder { folder throws in
            try Data("folder-token\n".utf8).write(to: URL(fileURLWithPath: folder + "/admin.token"))
            if let http {
                try Data("{\"http\":\"\(http)\"}".utf8).write(to: URL(fileURLWithPath: folder + "/addresses.json"))
            }
            try body(folder)
        }
    }

    private static func token(
        _ node: String, _ folder: String, _ environment: [String: String] = [:], file: String? = nil
    ) throws -> String? {
        try NodeAddress(node: node, data: folder, tokenFile: file, environment: environment).token
    }

    @Test(
        "the folder's token goes to the folder's own node and nowhere else",
        arguments: [
            ("http://127.0.0.1:7950", "http://127.0.0.1:7950", true), ("http://127.0.0.1:7950", "localhost", true),
            ("http://0.0.0.0:7950", "http://127.0.0.1:7950", true), ("http://[::]:7950", "http://[::1]:7950", true),
            ("http://192.0.2.1:7950", "http://192.0.2.1:7950/", true),
            ("http://127.0.0.1:7950", "127.0.0.2:7950", false),
            ("http://127.0.0.1:7950", "127.0.0.1:7951", false), ("http://0.0.0.0:7950", "192.0.2.9:7950", false),
            ("http://192.0.2.1:7950", "http://127.0.0.1:7950", false), (nil, "http://127.0.0.1:7950", false),
        ] as [(String?, String, Bool)])
    func ownNode(bound: String?, asked: String, isOwn: Bool) throws {
        try Self.withFolder(http: bound) { folder throws in
            #expect(try Self.token(asked, folder) == (isOwn ? "folder-token" : nil))
        }
    }

    @Test("a token that was named goes where it was told to, the file before the environment")
    func named() throws {
        try Self.withFolder(http: nil) { folder throws in
            let environment = ["MESHNODE_ADMIN_TOKEN": "from-environment"]
            #expect(try Self.token("a.example:1", folder, environment) == "from-environment")
            #expect(try Self.token("a.example:1", folder, environment, file: folder + "/admin.token") == "folder-token")
        }
    }

    @Test("the socket is in the folder and needs no token; its path is encoded into the URL")
    func socket() throws {
        let address = try NodeAddress(
            node: nil, data: nil, tokenFile: nil, environment: ["MESHNODE_DATA": "/tmp/a b%"])
        #expect(address.base == "http+unix://%2Ftmp%2Fa%20b%25%2Fapi.sock")
        #expect(address.token == nil)
        #expect(throws: CommandFailure.self) {
            try NodeAddress(node: nil, data: String(repeating: "x", count: 120), tokenFile: nil, environment: [:])
        }
    }

    @Test(
        "what is no address of a node is refused", arguments: ["ftp://a", "http://a/b", "a:x", "http://u@h", "http://"])
    func malformed(text: String) {
        #expect(throws: CommandFailure.self) {
            try NodeAddress(node: text, data: "/nonexistent", tokenFile: nil, environment: [:])
        }
    }
}

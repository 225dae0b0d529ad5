internal import ArgumentParser
internal import FoundationEssentials
internal import MeshRuntime

// Words that only the node knows. A shell waits for them, so whatever fails completes to nothing, soon.

extension CompletionKind {
    /// Names of members.
    static let members = CompletionKind.custom { _, _, _ async in
        struct Members: Decodable { var members: [MemberView] }
        return await words("/v1/members") { (view: Members) in view.members.map(\.name) }
    }

    /// Names of definitions.
    static let definitions = CompletionKind.custom { _, _, _ async in
        struct Definitions: Decodable { var definitions: [DefinitionView] }
        return await words("/v1/definitions") { (view: Definitions) in view.definitions.map(\.name) }
    }
}

/// Asks the node of the environment: what was typed so far cannot be relied on.
private func words<View: Decodable & Sendable>(
    _ path: String, _ names: @escaping @Sendable (View) -> [String]
) async -> [String] {
    do {
        let address = try NodeAddress(
            node: nil, data: nil, tokenFile: nil, environment: ProcessInfo.processInfo.environment)
        return try await NodeClient.with(address) { node in
            let answer = try await node.request("GET", path, timeout: .seconds(1))
            return names(try JSONDecoder().decode(View.self, from: Data(answer.body)))
        }
    } catch {
        return []
    }
}

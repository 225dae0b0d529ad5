internal import MeshRuntime

/// Whether the members have the keys that they need to hear each other.
enum KeyChecks {
    static func findings(_ view: KeysView, node: String) -> [Finding] {
        guard let primary = view.keys.first(where: \.is_primary)?.id else { return [] }
        let known = view.members.filter { $0.source != .none && ($0.state == "alive" || $0.state == "suspect") }
        let lacking = known.filter { $0.keys?.contains(primary) == false }.map { member in
            Finding(
                .problem, "keys", member.name,
                "does not have the key that this node seals with (\(primary)): it hears nothing",
                mend: "meshnode keys install it again; if it was away during a rotation, give it the new join token")
        }
        let others = known.filter { $0.keys?.contains(primary) == true && $0.primary != primary }.map(\.name)
        let pending =
            others.isEmpty
            ? []
            : [
                Finding(
                    .warning, "keys", others.prefix(5).joined(separator: ", "),
                    "seals with another key than this node (\(primary)): a rotation is under way",
                    mend: "finish it: meshnode keys use \(primary)")
            ]
        let findings = lacking + pending
        guard findings.isEmpty else { return findings }
        let spare = view.keys.count > 1 ? ", and \(view.keys.count - 1) more installed" : ""
        return [Finding(.fine, "keys", node, "all \(known.count) members seal with \(primary)\(spare)")]
    }
}

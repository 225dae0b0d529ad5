package import MeshRuntime

/// What `keys list` prints for people.
package enum KeysText {
    package static func list(_ view: KeysView, width: Int?, color: Bool) -> String {
        let live = view.members.count { $0.state == "alive" || $0.state == "suspect" }
        var keys = Table([.left("KEY"), .left("ROLE"), .right("HELD BY"), .right("PRIMARY AT")])
        for key in view.keys {
            keys.add([
                key.id, key.is_primary ? "primary" : "accepted", "\(key.held_by) of \(live)",
                "\(key.primary_at) of \(live)",
            ])
        }
        var members = Table([
            .flexible("MEMBER", min: 8), .left("ID"), .left("STATE"), .left("PRIMARY"),
            .flexible("ALSO ACCEPTS", min: 8),
            .left("KNOWN FROM"),
        ])
        for member in view.members {
            let others = (member.keys ?? []).filter { $0 != member.primary }
            members.add(
                [
                    Human.text(member.name), String(member.id.prefix(8)), member.state, member.primary ?? "-",
                    others.isEmpty ? "-" : others.joined(separator: ","), Self.source(member.source),
                ], styles: [2: Style(state: member.state)])
        }
        let verdict =
            view.is_agreed
            ? "every live member has the same keys"
            : Style.warning.applied(to: "the live members do not have the same keys yet", color: color)
        return [
            keys.text(width: width, color: color), members.text(width: width, color: color), verdict,
        ].joined(separator: "\n\n")
    }

    private static func source(_ source: KeyHolderView.Source) -> String {
        switch source {
        case .answer: "its answer"
        case .gossip: "gossip"
        case .none: "-"
        }
    }
}

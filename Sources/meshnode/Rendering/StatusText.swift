package import MeshRuntime

/// What `status`, `members` and `status --why` print for people.
package enum StatusText {
    /// The mesh in one line, this node in another, its warnings, then the members.
    package static func status(_ status: StatusView, isWide: Bool = false, width: Int?, color: Bool) -> String {
        let (mesh, node) = (status.mesh, status.node)
        let counts = mesh.members
        let health = Style(state: mesh.health).applied(to: printable(mesh.health), color: color)
        let state = Style(state: node.state).applied(to: printable(node.state), color: color)
        let short = mesh.id.prefix(8)
        let meshName = ["", "mesh-\(short)"].contains(mesh.name) ? "\(short)" : "\(mesh.name) (\(short))"
        var lines = [
            "mesh \(printable(meshName)) is \(health): \(counts.alive) alive, \(counts.suspect) suspect, "
                + "\(counts.dead) dead, \(counts.left) left",
            "node \(printable(node.name)) (\(node.id.prefix(8))) is \(state), up "
                + "\(Human.duration(seconds: node.uptime_s)), at \(printable(node.address)), "
                + "API at \(printable(node.http ?? "its socket only"))",
        ]
        if node.local_health > 0 {
            let text = "local health \(node.local_health) of 7: late itself, this node waits longer before it accuses"
            lines.append(Style.warning.applied(to: text, color: color))
        }
        lines += node.warnings.map { Style.warning.applied(to: "warning: " + printable($0), color: color) }
        return lines.joined(separator: "\n") + "\n\n"
            + self.members(status.members, isWide: isWide, width: width, color: color)
    }

    /// `isWide` adds what hardware the members have, and leaves out less needful columns where there is no room.
    package static func members(
        _ members: [MemberView], isWide: Bool = false, width: Int?, color: Bool
    ) -> String {
        let hardware: [Table.Column] = [
            .right("CORES"), .right("MEMORY"), .flexible("GPUS", min: 8), .right("GPU MEMORY").dispensable(1),
        ]
        func optional(_ column: Table.Column, _ rank: Int) -> Table.Column {
            isWide ? column.dispensable(rank) : column
        }
        var table = Table(
            [
                .flexible("NAME", min: 8), optional(.left("ID"), 2), .flexible("ADDRESS", min: 15), .left("STATE"),
                .right("SINCE"), optional(.right("INC"), 7), optional(.right("RTT"), 3), .flexible("ZONE", min: 4),
                optional(.flexible("VERSION", min: 5), 6), optional(.right("ACTORS"), 4),
                optional(.right("DEPTH"), 5),
            ] + (isWide ? hardware : []) + [.flexible("CAPABILITIES", min: 8)])
        for member in members {
            let told = member.hardware ?? HardwareView()
            let ofHardware = [
                CapabilitiesText.cores(told), CapabilitiesText.memory(told), CapabilitiesText.gpus(told),
                CapabilitiesText.gpuMemory(told),
            ]
            table.add(
                [
                    Human.text(member.name), String(member.id.prefix(8)), member.address, self.state(of: member),
                    Human.duration(seconds: member.since_s), String(member.incarnation),
                    Human.milliseconds(member.rtt_ms), Human.text(member.zone), Human.text(member.version),
                    Human.count(member.actors), Human.count(member.mailbox_depth),
                ] + (isWide ? ofHardware : []) + [Human.labels(CapabilitiesText.said(member.capabilities))],
                styles: [3: member.path == "stream" ? .warning : Style(state: member.state)])
        }
        return table.text(width: width, color: color)
    }

    /// A member that is kept by its stream alone is marked: its warning says why.
    private static func state(of member: MemberView) -> String {
        member.path == "stream" ? member.state + "/stream" : member.state
    }

    package static func why(_ why: WhyView, width: Int?, color: Bool) -> String {
        let member = why.member
        let state = Style(state: member.state).applied(to: printable(member.state), color: color)
        var lines = [
            "\(printable(member.name)) (\(member.id.prefix(8))) at \(printable(member.address)) is \(state) since "
                + "\(Human.duration(seconds: member.since_s)), incarnation \(member.incarnation), boot "
                + "\(member.boot_epoch)"
        ]
        guard !why.changes.isEmpty else { return lines[0] + "\nno change is remembered" }
        var table = Table([
            .right("AGO"), .left("CHANGE"), .left("CAUSE"), .right("INC"), .right("BOOT"), .flexible("ACCUSER", min: 8),
            .flexible("CONFIRMED BY", min: 12), .right("HEALTH"), .flexible("LAST ROUND TRIPS", min: 16),
        ])
        for change in why.changes {
            table.add([
                Human.duration(seconds: change.seconds_ago), (change.from.map { "\($0) -> " } ?? "") + change.to,
                change.cause, String(change.incarnation), String(change.boot_epoch), change.accuser ?? "-",
                change.confirmations.isEmpty ? "-" : change.confirmations.joined(separator: ","),
                String(change.local_health),
                change.round_trips_ms.isEmpty
                    ? "-" : change.round_trips_ms.map { Human.milliseconds($0) }.joined(separator: " "),
            ])
        }
        lines.append(table.text(width: width, color: color))
        return lines.joined(separator: "\n\n")
    }
}

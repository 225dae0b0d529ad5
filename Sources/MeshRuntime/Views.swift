// The names are those of the JSON, which is snake_case and stable.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// What `status` answers. The JSON is stable; its schema is `docs/status.schema.json`.
package struct StatusView: Codable, Sendable {
    package var mesh: MeshView
    package var node: NodeView
    /// This node first, then by name and id.
    package var members: [MemberView]

    package init(mesh: MeshView, node: NodeView, members: [MemberView]) {
        self.mesh = mesh
        self.node = node
        self.members = members
    }
}

package struct MeshView: Codable, Sendable {
    package struct Counts: Codable, Sendable {
        package var alive = 0
        package var suspect = 0
        package var dead = 0
        package var left = 0

        package init() {}
    }

    /// 32 hexadecimal digits.
    package var id: String
    package var name: String
    /// `healthy`, `degraded` (suspects or dead members) or `joining` (no seed answered yet).
    package var health: String
    package var members: Counts

    package init(id: String, name: String, health: String, members: Counts) {
        self.id = id
        self.name = name
        self.health = health
        self.members = members
    }
}

/// The node that answers.
package struct NodeView: Codable, Sendable {
    package var id: String
    package var name: String
    /// `joining`, `ready` or `leaving`.
    package var state: String
    package var version: String
    /// Where peers reach it, UDP and TCP.
    package var address: String
    /// Where HTTP is served; nil if switched off.
    package var http: String?
    package var boot_epoch: UInt64
    package var uptime_s: Double
    /// Lifeguard's local health: 0 is healthy, 7 the worst.
    package var local_health: Int
    /// Actors with a live activation here, and messages waiting in mailboxes here.
    package var actors: Int
    package var mailbox_depth: Int
    /// Packets and frames refused since boot, by reason.
    package var refused: [String: UInt64]
    /// What an operator should know, each with its mend.
    package var warnings: [String]

    package init(
        id: String, name: String, state: String, version: String, address: String, http: String?, boot_epoch: UInt64,
        uptime_s: Double, local_health: Int, actors: Int, mailbox_depth: Int, refused: [String: UInt64],
        warnings: [String]
    ) {
        self.id = id
        self.name = name
        self.state = state
        self.version = version
        self.address = address
        self.http = http
        self.boot_epoch = boot_epoch
        self.uptime_s = uptime_s
        self.local_health = local_health
        self.actors = actors
        self.mailbox_depth = mailbox_depth
        self.refused = refused
        self.warnings = warnings
    }
}

package struct MemberView: Codable, Sendable {
    package var id: String
    package var name: String
    package var address: String
    /// `alive`, `suspect`, `dead` or `left`.
    package var state: String
    /// Seconds since this node learned of `state`.
    package var since_s: Double
    package var incarnation: UInt32
    package var boot_epoch: UInt64
    /// Smoothed; nil until measured, and for the node itself.
    package var rtt_ms: Double?
    /// `udp`, or `stream` where datagrams to the member are lost while its stream works; nil from an older node.
    package var path: String?
    package var zone: String
    package var version: String
    package var tags: [String: String]
    package var capabilities: [String: String]
    /// What of them is hardware, as numbers; nil if nothing is.
    package var hardware: HardwareView?
    /// As the member last told; nil if it has not yet.
    package var actors: Int?
    package var mailbox_depth: Int?

    package init(
        id: String, name: String, address: String, state: String, since_s: Double, incarnation: UInt32,
        boot_epoch: UInt64, rtt_ms: Double?, path: String? = nil, zone: String, version: String, tags: [String: String],
        capabilities: [String: String], hardware: HardwareView? = nil, actors: Int?, mailbox_depth: Int?
    ) {
        self.id = id
        self.name = name
        self.address = address
        self.state = state
        self.since_s = since_s
        self.incarnation = incarnation
        self.boot_epoch = boot_epoch
        self.rtt_ms = rtt_ms
        self.path = path
        self.zone = zone
        self.version = version
        self.tags = tags
        self.capabilities = capabilities
        self.hardware = hardware
        self.actors = actors
        self.mailbox_depth = mailbox_depth
    }
}

/// The story of one member as this node lived it, oldest first.
package struct WhyView: Codable, Sendable {
    package struct Change: Codable, Sendable {
        package var seconds_ago: Double
        package var from: String?
        package var to: String
        package var cause: String
        package var incarnation: UInt32
        package var boot_epoch: UInt64
        /// Names, or ids where no name is known.
        package var accuser: String?
        package var confirmations: [String]
        package var local_health: Int
        package var round_trips_ms: [Double]

        package init(
            seconds_ago: Double, from: String?, to: String, cause: String, incarnation: UInt32, boot_epoch: UInt64,
            accuser: String?, confirmations: [String], local_health: Int, round_trips_ms: [Double]
        ) {
            self.seconds_ago = seconds_ago
            self.from = from
            self.to = to
            self.cause = cause
            self.incarnation = incarnation
            self.boot_epoch = boot_epoch
            self.accuser = accuser
            self.confirmations = confirmations
            self.local_health = local_health
            self.round_trips_ms = round_trips_ms
        }
    }

    package var member: MemberView
    package var changes: [Change]

    package init(member: MemberView, changes: [Change]) {
        self.member = member
        self.changes = changes
    }
}

package struct ActorView: Codable, Sendable {
    package var path: String
    /// Name of the member that holds the mailbox.
    package var node: String
    package var definition: String
    /// `idle` (no activation), `active` or `failed` (its handler could not be started).
    package var state: String
    /// Messages waiting, the one in its turn included.
    package var depth: Int
    /// Turns completed since the activation began.
    package var processed: UInt64

    package init(path: String, node: String, definition: String, state: String, depth: Int, processed: UInt64) {
        self.path = path
        self.node = node
        self.definition = definition
        self.state = state
        self.depth = depth
        self.processed = processed
    }
}

package struct ActorsView: Codable, Sendable {
    package var actors: [ActorView]
    /// Names of members that did not answer in time: their actors are missing here.
    package var missing: [String]

    package init(actors: [ActorView], missing: [String]) {
        self.actors = actors
        self.missing = missing
    }
}

package struct DefinitionView: Codable, Sendable {
    package var name: String
    package var path: String
    package var version: UInt64
    /// Name or id of the node where it was applied.
    package var origin: String
    /// `created`, `updated`, `unchanged` or, in a listing, `active`.
    package var change: String
    /// The definition as YAML, as it was applied.
    package var source: String

    package init(name: String, path: String, version: UInt64, origin: String, change: String, source: String) {
        self.name = name
        self.path = path
        self.version = version
        self.origin = origin
        self.change = change
        self.source = source
    }
}

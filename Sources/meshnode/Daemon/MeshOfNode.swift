internal import MeshCore
internal import MeshTransport

/// Who this node is and which mesh it belongs to: what a start must know before it opens anything.
struct MeshOfNode: Sendable {
    let plan: JoiningPlan
    let identity: NodeIdentity
    let boot: Boot
    let cluster: ClusterID
    let keys: MeshKeys
    /// How many equals make the mesh, if the token that was given says so.
    let founders: Int?

    /// Decides, and writes what the node must still know after a crash.
    init(settling configuration: NodeConfiguration, in folder: DataFolder) throws {
        let wasMember = try folder.rememberedMembers() != nil
        let given = try configuration.token.map {
            try JoinToken(checking: $0, from: configuration.tokenFile ?? "the token given")
        }
        // The token of a join that never succeeded binds nobody: it may have been the wrong one.
        let kept =
            try wasMember || given == nil
            ? folder.meshToken().map { try JoinToken(checking: $0, from: "\(folder.path)/mesh.token") } : nil
        self.plan = try JoiningPlan(
            folderHasMesh: kept != nil, wasMember: wasMember, tokenGiven: given != nil,
            seedsGiven: !configuration.join.isEmpty,
            sameMesh: kept?.cluster == given?.cluster)
        self.founders = given?.founders
        self.identity = try folder.identity(mayCreate: kept == nil)
        self.cluster = kept?.cluster ?? given?.cluster ?? .random()
        var keys = try kept == nil ? nil : folder.keys(of: self.cluster)
        // A node that was away while its keys were rotated out is given a new token; an old one brings nothing back.
        for token in [kept, given].compactMap(\.self) {
            if keys == nil { keys = MeshKeys(token) } else { try keys?.merge(MeshKeys(token).table()) }
        }
        self.keys = keys ?? .generate()
        // Last the token: a folder that has it has all the rest.
        self.boot = Boot(epoch: try folder.raiseBootEpoch(mayBegin: kept == nil), nonce: randomUInt64())
        if self.plan == .create {
            try folder.beFounder()
            try folder.remember(members: MembersFile.encode([]))
        }
        if try kept != self.keys.token(cluster: self.cluster) || folder.keyring() == nil {
            try folder.save(self.keys, of: self.cluster)
        }
    }
}

extension JoinToken {
    /// Names where the token came from, never the token.
    init(checking text: String, from source: String) throws {
        do { try self.init(text) } catch {
            throw MeshError(
                .invalidArgument, "\(source): \(error)", hint: "print it again on a member with 'meshnode token'")
        }
    }
}

extension DataFolder {
    /// A folder that belongs to a mesh has a key; to make another in its place would be to come back as a stranger.
    fileprivate func identity(mayCreate: Bool) throws -> NodeIdentity {
        if let secret = try self.nodeKey() {
            guard let identity = NodeIdentity(checking: secret) else {
                throw MeshError(
                    .internalError, "\(self.path)/node.key is damaged: it has \(secret.count) bytes, not 32",
                    hint: "restore it from a backup, or start over with an empty data folder")
            }
            return identity
        }
        guard mayCreate else {
            throw MeshError(
                .internalError, "\(self.path)/node.key is missing",
                hint: "restore it from a backup, or start over with an empty data folder")
        }
        let identity = NodeIdentity.generate()
        try self.save(nodeKey: identity.secret)
        return identity
    }
}

internal import MeshCore

/// Which mesh a start belongs to. Decided from what is in the data folder and what the operator said, before
/// anything is written or bound.
enum JoiningPlan: Equatable {
    /// No folder, no token, no seed: the first node of a new mesh.
    case create
    /// The folder knows its mesh; seeds, if given, are tried beside the remembered members.
    case resume
    /// A token and at least one seed.
    case join

    /// A node that was given a token or a seed never creates a mesh, whatever the folder holds.
    ///
    /// `wasMember`: it created its mesh, or a seed let it in. A folder that only holds a token is where a first join
    /// was cut short.
    init(
        folderHasMesh: Bool, wasMember: Bool, tokenGiven: Bool, seedsGiven: Bool, sameMesh: Bool
    ) throws(MeshError) {
        switch (folderHasMesh, tokenGiven, seedsGiven) {
        case (true, true, _) where !sameMesh:
            throw MeshError(
                .conflict, "the data folder belongs to another mesh than the token",
                hint: "use the token of its own mesh, or an empty folder with --data")
        case (true, _, _) where wasMember: self = .resume
        case (true, _, true): self = .join
        case (true, _, false):
            throw MeshError(
                .invalidArgument, "the data folder holds a token, but the node never got into its mesh",
                hint: "name a member with --join HOST:PORT")
        case (false, true, true): self = .join
        case (false, true, false):
            throw MeshError(
                .invalidArgument, "a token was given, but no node to join",
                hint: "name one with --join HOST:PORT, or leave the token out to create a mesh")
        case (false, false, true):
            throw MeshError(
                .invalidArgument, "--join was given, but no token",
                hint: "print it on a member with 'meshnode token' and pass it with --token-file or MESHNODE_TOKEN")
        case (false, false, false): self = .create
        }
    }
}

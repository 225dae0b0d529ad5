internal import MeshCore

/// What runs at a path.
enum ActorTarget: Hashable, Sendable {
    case builtIn(BuiltIn)
    case defined(AppliedDefinition, ActorDefinition)

    var name: String {
        switch self {
        case .builtIn(let builtIn): builtIn.name
        case .defined(_, let definition): definition.name
        }
    }
}

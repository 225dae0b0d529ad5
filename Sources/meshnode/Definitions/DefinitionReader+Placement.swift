internal import MeshCore

// `spec.requires` and `spec.prefers`: which members may host an actor, and which rather than others (docs/placement.md).

extension DefinitionReader {
    static func placement(_ spec: Fields, in part: DocumentParser.Part) throws(DocumentError) -> ActorPlacement {
        // A requirement is never taken for nothing: YAML would read `!has(zone)` without quotes as an empty value.
        if let field = spec.fields.first(where: { $0.key == "requires" }), case .null = field.value.content {
            throw DocumentError("spec.requires is empty", at: field.place, hint: self.quotes)
        }
        var placement = ActorPlacement()
        placement.requires = try spec.optional("requires").map { document throws(DocumentError) in
            try self.requirement(document, "spec.requires", in: part)
        }
        if let prefers = spec.optional("prefers") { placement.prefers = try self.preferences(prefers, in: part) }
        return placement
    }

    private static func preferences(
        _ document: Document, in part: DocumentParser.Part
    ) throws(DocumentError) -> [ActorPlacement.Preference] {
        guard case .sequence(let elements) = document.content, 1...ActorPlacement.preferencesMax ~= elements.count
        else {
            throw DocumentError(
                "spec.prefers is a list of 1 to \(ActorPlacement.preferencesMax) preferences", at: document.place,
                hint: "a preference is such as {weight: 50, when: 'zone == \"eu-1\"'}")
        }
        var preferences: [ActorPlacement.Preference] = []
        for element in elements {
            let fields = try element.fields(of: "a preference", known: ["weight", "when"])
            let weight = try fields.required("weight").integer("weight", in: ActorPlacement.Preference.weights)
            let when = try self.requirement(fields.required("when"), "when", in: part)
            preferences.append(.init(weight: weight, when: when))
        }
        return preferences
    }

    private static let quotes = "a requirement that begins with ! stands in quotes"

    private static func requirement(
        _ document: Document, _ field: String, in part: DocumentParser.Part
    ) throws(DocumentError) -> Requirement {
        let text = try document.string(field)
        guard !part.hasTag(at: document.place) else {
            throw DocumentError(
                "YAML takes the ! in \(field) for the name of a type", at: document.place, hint: self.quotes)
        }
        do { return try Requirement(parsing: text) } catch {
            guard let indent = document.indent else {
                throw DocumentError(
                    "\(field), at its line \(error.line), column \(error.column): \(error.message)", at: document.place,
                    hint: error.hint)
            }
            var place = document.place
            place.column += indent + error.column - 1
            throw DocumentError("\(field): \(error.message)", at: place, hint: error.hint)
        }
    }
}

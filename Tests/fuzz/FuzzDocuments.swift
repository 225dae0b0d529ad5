import MeshCore

/// Text that people and other programs write: definitions, configuration, tokens, paths.
@Sendable func fuzzDocuments(_ bytes: [UInt8]) {
    var input = FuzzInput(bytes)
    let kind = input.byte() % 8
    let rest = input.rest()
    let text = String(decoding: rest, as: UTF8.self)
    switch kind {
    case 0, 1, 2: definitions(rest)
    case 3, 4: _ = try? ConfigurationLayers(environment: ["HOME": "/root"], file: ("file", rest)).resolve()
    case 5:
        let lines = text.split(separator: "\n", maxSplits: 64)
        var flags: [String: [String]] = [:]
        for (setting, line) in zip(Setting.all, lines) where !line.isEmpty { flags[setting.name] = [String(line)] }
        _ = try? ConfigurationLayers(flags: flags).resolve()
    case 6:
        guard let token = try? JoinToken(text) else { return }
        require((try? JoinToken(token.text)) == token, "a token came back as another")
    default:
        if let path = try? ActorPath(text) {
            require((try? ActorPath(path.description)) == path, "\(path) came back as another path")
            require(path.description.utf8.count <= ActorPath.bytesMax, "a path of \(path.description.utf8.count) bytes")
        }
        if let pattern = try? PathPattern(text) {
            require((try? PathPattern(pattern.description)) == pattern, "\(pattern) came back as another pattern")
        }
        requirement(text)
        if let canonical = try? canonicalJSON(rest) {
            require((try? canonicalJSON(canonical)) == canonical, "a canonical text has another one")
        }
        if let cron = try? Cron(parsing: text), let first = cron.next(after: 0) {
            require(cron.next(after: first - 1) == first, "\(cron) forgets an occurrence")
        }
        if let members = jsonMembers(of: rest) {
            require(isJSON(rest), "members of what is no JSON")
            for range in members.values { require(isJSON(Array(rest[range])), "a value that is no JSON") }
        }
    }
}

/// What is read travels in its canonical form, and whatever a member advertises, it can be judged by it.
private func requirement(_ text: String) {
    do {
        let requirement = try Requirement(parsing: text)
        let canonical = requirement.description
        require((try? Requirement(parsing: canonical)) == requirement, "\(canonical) came back as another requirement")
        // The text stands for what a member says, too.
        let words = text.split(separator: " ").map(String.init)
        let labels = zip(words, words.dropFirst()).map { Label($0, $1) }
        let verdict = requirement.evaluate(MemberFacts(name: text, zone: text, labels: labels, capabilities: labels))
        require(verdict.qualifies == verdict.explanation.isEmpty, "\(requirement) fails without a reason")
    } catch {
        require(error.snippet.split(separator: "\n").count == 2, "no line is shown for \(error)")
    }
}

/// What is accepted travels to the other nodes and is accepted there.
private func definitions(_ bytes: [UInt8]) {
    guard let definitions = try? DefinitionReader.read(bytes) else { return }
    require(
        !definitions.isEmpty && definitions.count <= DocumentParser.documentsMax, "\(definitions.count) definitions")
    for definition in definitions {
        let applied = AppliedDefinition(
            name: definition.name, version: 1, origin: NodeID(high: 1, low: 2), definition: definition)
        var writer = WireWriter()
        writer.write(applied)
        var reader = WireReader(writer.bytes.raw)
        do {
            require(try reader.appliedDefinition() == applied, "\(definition) came back as another")
        } catch {
            fatalError("\(definition) is refused by other nodes: \(error)")
        }
    }
}

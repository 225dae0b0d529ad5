package import MeshCore

/// Documents to definitions: what `meshnode apply` sends.
package enum DefinitionReader {
    static let apiVersion = "meshnode/v1"

    /// Where and what is wrong is in the message.
    package static func read(_ bytes: [UInt8]) throws(MeshError) -> [ActorDefinition] {
        do throws(DocumentError) {
            let parts = try DocumentParser.parse(bytes)
            guard !parts.isEmpty else {
                throw DocumentError(
                    "no definition is in it", at: nil, hint: "a definition begins with 'apiVersion: \(self.apiVersion)'"
                )
            }
            var definitions: [ActorDefinition] = []
            var places: [String: Document.Place] = [:]
            for part in parts {
                let definition = try self.definition(part)
                if let first = places[definition.name] {
                    throw DocumentError(
                        "the name '\(definition.name)' is taken by the definition at line \(first.line)",
                        at: part.document.place)
                }
                places[definition.name] = part.document.place
                definitions.append(definition)
            }
            return definitions
        } catch {
            throw MeshError(.invalidArgument, error.description, hint: error.hint)
        }
    }

    private static func definition(_ part: DocumentParser.Part) throws(DocumentError) -> ActorDefinition {
        let top = try part.document.fields(
            of: "a definition", known: ["apiVersion", "kind", "metadata", "spec"])
        try self.check(top.required("apiVersion"), "apiVersion", among: [self.apiVersion])
        try self.check(top.required("kind"), "kind", among: ["Actor"])
        let metadata = try top.required("metadata").fields(of: "metadata", known: ["name"])
        let spec = try top.required("spec").fields(
            of: "spec", known: ["path", "handler", "mailbox", "retry", "requires", "prefers"])
        let definition = ActorDefinition(
            name: try self.name(metadata.required("name")), path: try self.path(spec.required("path")),
            handler: try self.handler(spec.required("handler")),
            mailboxLimit: try self.mailboxLimit(spec.optional("mailbox")),
            retry: try spec.optional("retry").map(self.retry), placement: try self.placement(spec, in: part),
            source: part.text)
        // What has no single place, such as the size of it all.
        do { try definition.validate() } catch { throw DocumentError(error.message, at: part.document.place) }
        return definition
    }

    private static func check(
        _ document: Document, _ field: String, among known: [String]
    ) throws(DocumentError) {
        let value = try document.string(field)
        guard !known.contains(value) else { return }
        let guess = nearest(to: value, among: known).map { "did you mean '\($0)'?" }
        throw DocumentError(
            "unknown \(field) '\(value.prefix(64))'", at: document.place,
            hint: guess ?? "known: \(known.joined(separator: ", "))")
    }

    /// A DNS label (RFC 1123), so that it can become part of any other name.
    private static func name(_ document: Document) throws(DocumentError) -> String {
        let name = try document.string("metadata.name")
        guard ActorDefinition.isName(name) else {
            throw DocumentError(
                "'\(name.prefix(64))' is not a name", at: document.place,
                hint:
                    "a name has up to \(ActorDefinition.nameBytesMax) of a-z, 0-9 and -, and begins and ends with a letter or digit"
            )
        }
        return name
    }

    private static func path(_ document: Document) throws(DocumentError) -> PathPattern {
        let text = try document.string("spec.path")
        let pattern: PathPattern
        do { pattern = try PathPattern(text) } catch {
            throw DocumentError(
                "spec.path: \(error.reason), at its byte \(error.position)", at: document.place,
                hint: "a path is such as /text/wordcount/{key}")
        }
        guard pattern.segments.first != .literal("meshnode") else {
            throw DocumentError("spec.path: /meshnode/ is reserved for built-in actors", at: document.place)
        }
        return pattern
    }

    private static func handler(_ document: Document) throws(DocumentError) -> ActorDefinition.Handler {
        let handler = try document.fields(of: "handler", known: ["exec"])
        let exec = try handler.required("exec").fields(
            of: "exec", known: ["command", "timeout", "environment", "directory"])
        var value = ActorDefinition.Exec(command: try self.command(exec.required("command")))
        if let timeout = exec.optional("timeout") {
            value.timeout = try timeout.duration("exec.timeout", in: ActorDefinition.timeouts)
        }
        if let environment = exec.optional("environment") { value.environment = try self.variables(environment) }
        if let directory = exec.optional("directory") {
            let path = try directory.string("exec.directory")
            guard path.hasPrefix("/"), !path.utf8.contains(0) else {
                throw DocumentError("exec.directory is an absolute path", at: directory.place)
            }
            value.directory = path
        }
        return .exec(value)
    }

    private static func command(_ document: Document) throws(DocumentError) -> [String] {
        let command = try document.strings("exec.command")
        guard 1...ActorDefinition.argumentsMax ~= command.count, command.first?.isEmpty == false,
            command.allSatisfy({ !$0.utf8.contains(0) })
        else {
            throw DocumentError(
                "exec.command is a program and its arguments, at most \(ActorDefinition.argumentsMax)",
                at: document.place)
        }
        return command
    }

    private static func variables(_ document: Document) throws(DocumentError) -> [Label] {
        var labels: [Label] = []
        for (key, value, place) in try document.stringMap("exec.environment") {
            guard !key.isEmpty, !key.contains("="), !key.utf8.contains(0), !value.utf8.contains(0) else {
                throw DocumentError("'\(key.prefix(64))' is not the name of a variable", at: place)
            }
            labels.append(Label(key, value))
        }
        return labels.sorted()
    }

    private static func mailboxLimit(_ document: Document?) throws(DocumentError) -> Int {
        guard let document else { return ActorDefinition.mailboxLimitDefault }
        let mailbox = try document.fields(of: "mailbox", known: ["limit"])
        return try mailbox.optional("limit")?.integer("mailbox.limit", in: ActorDefinition.mailboxLimits)
            ?? ActorDefinition.mailboxLimitDefault
    }
}

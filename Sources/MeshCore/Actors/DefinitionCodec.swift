// Name, version, origin, kind (0 deleted, 1 exec, 2 exec with sections), then for a definition: path, mailbox limit,
// source; then for exec: command, timeout in milliseconds, environment, directory; then the sections: how many, and for
// each its tag and its bytes.

/// What a definition may have and most have not. In order of tags, each once at most; whoever does not know one refuses
/// the definition, for to leave out what it asks for would be to run another.
private enum DefinitionSection: UInt8 {
    case retry = 1
    case placement = 2

    static let bytesMax = 64 << 10
}

extension WireWriter {
    /// The definition is valid.
    package mutating func write(_ applied: AppliedDefinition) {
        self.write(shortText: applied.name)
        self.write(applied.version)
        self.write(applied.origin)
        guard let definition = applied.definition else {
            self.write(0 as UInt8)
            return
        }
        let sections = definition.sections
        switch definition.handler {
        case .exec(let exec):
            self.write(sections.isEmpty ? 1 : 2 as UInt8)
            self.write(text: definition.path.description)
            self.write(UInt32(definition.mailboxLimit))
            self.write(bytes: definition.source.utf8)
            self.write(exec)
        }
        guard !sections.isEmpty else { return }
        self.write(UInt8(sections.count))
        for (tag, bytes) in sections {
            self.write(tag.rawValue)
            self.write(bytes: bytes)
        }
    }

    private mutating func write(_ exec: ActorDefinition.Exec) {
        self.write(UInt16(exec.command.count))
        for argument in exec.command { self.write(text: argument) }
        self.write(UInt64(exec.timeout.nanoseconds / 1_000_000))
        self.write(UInt16(exec.environment.count))
        for variable in exec.environment {
            self.write(text: variable.key)
            self.write(text: variable.value)
        }
        self.write(exec.directory == nil ? 0 : 1 as UInt8)
        if let directory = exec.directory { self.write(text: directory) }
    }
}

extension ActorDefinition {
    fileprivate var sections: [(DefinitionSection, [UInt8])] {
        var sections: [(DefinitionSection, [UInt8])] = []
        if let retry = self.retry {
            var writer = WireWriter()
            writer.write(retry)
            sections.append((.retry, writer.bytes))
        }
        if !self.placement.isEmpty {
            var writer = WireWriter()
            writer.write(self.placement)
            sections.append((.placement, writer.bytes))
        }
        return sections
    }
}

extension WireReader {
    /// Refuses whatever `ActorDefinition.validate` would.
    package mutating func appliedDefinition() throws(WireError) -> AppliedDefinition {
        let start = self.offset
        let name = try self.shortText()
        guard ActorDefinition.isName(name) else { throw WireError(.invalidValue, at: start) }
        var applied = AppliedDefinition(
            name: name, version: try self.read(), origin: try self.nodeID(), definition: nil)
        guard 1...AppliedDefinition.versionMax ~= applied.version else { throw WireError(.invalidValue, at: start) }
        let kind = self.offset
        let form = try self.read(UInt8.self)
        switch form {
        case 0: return applied
        case 1, 2:
            let pattern = try self.text(limit: 4 * ActorPath.bytesMax)
            guard let path = try? PathPattern(pattern) else { throw WireError(.invalidValue, at: kind + 1) }
            let limit = Int(try self.read(UInt32.self))
            let source = String(decoding: try self.bytes(limit: ActorDefinition.sourceBytesMax), as: UTF8.self)
            var definition = ActorDefinition(
                name: name, path: path, handler: .exec(try self.exec()), mailboxLimit: limit, source: source)
            if form == 2 { try self.sections(of: &definition) }
            guard (try? definition.validate()) != nil else { throw WireError(.invalidValue, at: start) }
            applied.definition = definition
            return applied
        default: throw WireError(.unknownKind, at: kind)
        }
    }

    private mutating func sections(of definition: inout ActorDefinition) throws(WireError) {
        let start = self.offset
        let count = try self.read(UInt8.self)
        guard count > 0 else { throw WireError(.invalidValue, at: start) }
        var last: UInt8 = 0
        for _ in 0..<count {
            let place = self.offset
            let number = try self.read(UInt8.self)
            guard let section = DefinitionSection(rawValue: number) else { throw WireError(.unknownKind, at: place) }
            guard number > last else { throw WireError(.invalidValue, at: place) }
            last = number
            let bytes = try self.bytes(limit: DefinitionSection.bytesMax)
            var reader = WireReader(bytes.raw)
            switch section {
            case .retry: definition.retry = try reader.retryPolicy()
            case .placement: definition.placement = try reader.actorPlacement()
            }
            try reader.end()
        }
    }

    private mutating func exec() throws(WireError) -> ActorDefinition.Exec {
        let limit = ActorDefinition.argumentBytesMax
        var command: [String] = []
        for _ in 0..<(try self.read(UInt16.self)) { command.append(try self.text(limit: limit)) }
        // More than a day is refused by validation; the conversion must not trap before.
        let timeout = Duration.milliseconds(Int64(clamping: min(try self.read(UInt64.self), 1 << 40)))
        var environment: [Label] = []
        for _ in 0..<(try self.read(UInt16.self)) {
            environment.append(Label(try self.text(limit: limit), try self.text(limit: limit)))
        }
        let start = self.offset
        let directory: String?
        switch try self.read(UInt8.self) {
        case 0: directory = nil
        case 1: directory = try self.text(limit: limit)
        default: throw WireError(.invalidValue, at: start)
        }
        return ActorDefinition.Exec(command: command, timeout: timeout, environment: environment, directory: directory)
    }
}

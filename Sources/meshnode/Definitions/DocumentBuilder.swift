/// One YAML document as a tree. Bounds hold while it is read: nothing is kept that could be too much.
struct DocumentBuilder: ~Copyable {
    /// What an anchor names, and how much it is.
    private struct Anchored {
        var document: Document
        var nodes: Int
        var height: Int
    }

    private var events: YAMLEvents
    private var anchors: [String: Anchored] = [:]
    private var nodes = 0

    /// The document in `text`; nil if there is none.
    static func document(in text: String, firstLine: Int) throws(DocumentError) -> Document? {
        var text = text
        let result = text.withUTF8 { bytes in
            Result { () throws(DocumentError) in
                var builder = DocumentBuilder(events: unsafe YAMLEvents(bytes, firstLine: firstLine))
                return try builder.document()
            }
        }
        return try result.get()
    }

    private init(events: consuming YAMLEvents) { self.events = events }

    private mutating func document() throws(DocumentError) -> Document? {
        guard case .documentStart = try self.events.next().event else { return nil }
        let root = try self.value(of: try self.events.next(), depth: 0).document
        _ = try self.events.next()
        let (rest, place) = try self.events.next()
        guard case .streamEnd = rest else {
            throw DocumentError("a second document", at: place, hint: "separate documents by a line of ---")
        }
        return root
    }

    private mutating func value(
        of next: (event: YAMLEvents.Event, place: Document.Place), depth: Int
    ) throws(DocumentError) -> Anchored {
        let (event, place) = next
        try self.count(1, height: 0, at: place, depth: depth)
        switch event {
        case .scalar(let scalar, let anchor):
            let isNull = scalar.isPlain && ["", "~", "null", "Null", "NULL"].contains(scalar.text)
            var document = Document(content: isNull ? .null : .scalar(scalar.text), place: place)
            document.indent = scalar.indent
            return self.named(anchor, document, nodes: 1)
        case .sequence(let anchor): return try self.sequence(anchor, place, depth)
        case .mapping(let anchor): return try self.mapping(anchor, place, depth)
        case .alias(let name):
            guard let target = self.anchors[name] else {
                throw DocumentError("not YAML: the alias '\(name.prefix(64))' names nothing before it", at: place)
            }
            // Each alias counts for all that it stands for ("billion laughs").
            try self.count(target.nodes - 1, height: target.height, at: place, depth: depth)
            return target
        case .end, .documentStart, .documentEnd, .streamEnd: throw DocumentError("not YAML", at: place)
        }
    }

    private mutating func sequence(
        _ anchor: String?, _ place: Document.Place, _ depth: Int
    ) throws(DocumentError) -> Anchored {
        let before = self.nodes
        var (elements, height): ([Document], Int) = ([], 0)
        while true {
            let next = try self.events.next()
            if case .end = next.event { break }
            let element = try self.value(of: next, depth: depth + 1)
            elements.append(element.document)
            height = max(height, element.height + 1)
        }
        return self.named(
            anchor, Document(content: .sequence(elements), place: place), nodes: self.nodes - before + 1, height: height
        )
    }

    private mutating func mapping(
        _ anchor: String?, _ place: Document.Place, _ depth: Int
    ) throws(DocumentError) -> Anchored {
        let before = self.nodes
        var (fields, keys, height): ([Document.Field], Set<String>, Int) = ([], [], 0)
        while true {
            let next = try self.events.next()
            if case .end = next.event { break }
            guard case .scalar(let key) = try self.value(of: next, depth: depth + 1).document.content else {
                throw DocumentError("a key is a text", at: next.place)
            }
            guard keys.insert(key).inserted else {
                throw DocumentError("the field '\(key.prefix(64))' stands twice", at: next.place)
            }
            let value = try self.value(of: try self.events.next(), depth: depth + 1)
            fields.append(Document.Field(key: key, place: next.place, value: value.document))
            height = max(height, value.height + 1)
        }
        return self.named(
            anchor, Document(content: .mapping(fields), place: place), nodes: self.nodes - before + 1, height: height)
    }

    private mutating func named(_ anchor: String?, _ document: Document, nodes: Int, height: Int = 0) -> Anchored {
        let anchored = Anchored(document: document, nodes: nodes, height: height)
        if let anchor { self.anchors[anchor] = anchored }
        return anchored
    }

    private mutating func count(
        _ more: Int, height: Int, at place: Document.Place, depth: Int
    ) throws(DocumentError) {
        self.nodes += more
        guard depth + height <= DocumentParser.depthMax else {
            throw DocumentError("nested deeper than \(DocumentParser.depthMax)", at: place)
        }
        guard self.nodes <= DocumentParser.nodesMax else {
            throw DocumentError(
                "more than \(DocumentParser.nodesMax) values, counting what aliases stand for", at: place)
        }
    }
}

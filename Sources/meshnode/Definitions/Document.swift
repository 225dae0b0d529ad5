internal import MeshCore

/// A YAML or JSON document as a tree that knows where everything stood.
package struct Document: Sendable {
    package enum Content: Sendable {
        case null
        /// As written, quotes resolved.
        case scalar(String)
        case sequence([Document])
        case mapping([Field])
    }

    package struct Field: Sendable {
        package var key: String
        package var place: Place
        package var value: Document
    }

    package struct Place: Hashable, Sendable, CustomStringConvertible {
        /// Both from 1; the column counts characters.
        package var line: Int
        package var column: Int

        package var description: String { "line \(self.line), column \(self.column)" }
    }

    package var content: Content
    package var place: Place
    /// Of a scalar that stands on one line as it reads: how far from its place its text begins.
    package var indent: Int?

    package init(content: Content, place: Place) {
        self.content = content
        self.place = place
    }

    private var kind: String {
        switch self.content {
        case .null: "nothing"
        case .scalar: "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

/// What is wrong in a document, where, and what was probably meant.
package struct DocumentError: Error, Hashable, Sendable, CustomStringConvertible {
    package var place: Document.Place?
    package var message: String
    package var hint: String

    package init(_ message: String, at place: Document.Place?, hint: String = "") {
        self.message = message
        self.place = place
        self.hint = hint
    }

    package var description: String { self.place.map { "\($0): \(self.message)" } ?? self.message }
}

extension Document {
    /// The fields of a mapping, all of which must be known.
    func fields(of owner: String, known: [String]) throws(DocumentError) -> Fields {
        guard case .mapping(let fields) = self.content else {
            throw DocumentError(
                "\(owner) is a mapping, and here is \(self.kind)", at: self.place,
                hint: "its fields are \(known.joined(separator: ", "))")
        }
        for field in fields where !known.contains(field.key) {
            let guess = nearest(to: field.key, among: known).map { "did you mean '\($0)'?" }
            throw DocumentError(
                "\(owner) has no field '\(field.key.prefix(64))'", at: field.place,
                hint: guess ?? "its fields are \(known.joined(separator: ", "))")
        }
        return Fields(owner: owner, place: self.place, fields: fields)
    }

    func string(_ name: String) throws(DocumentError) -> String {
        guard case .scalar(let text) = self.content else {
            throw DocumentError("\(name) is a text, and here is \(self.kind)", at: self.place)
        }
        return text
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(DocumentError) -> Int {
        guard case .scalar(let text) = self.content, let value = Int(text), range.contains(value) else {
            throw DocumentError(
                "\(name) is a whole number from \(range.lowerBound) to \(range.upperBound)", at: self.place)
        }
        return value
    }

    func duration(_ name: String, in range: ClosedRange<Duration>) throws(DocumentError) -> Duration {
        let text = try self.string(name)
        do {
            let value = try Duration(parsing: text)
            guard range.contains(value) else {
                throw DocumentError("\(name) is from \(range.lowerBound) to \(range.upperBound)", at: self.place)
            }
            return value
        } catch let error as InvalidValue {
            throw DocumentError("\(name): \(error)", at: self.place)
        } catch let error as DocumentError {
            throw error
        } catch {
            throw DocumentError("\(name): \(error)", at: self.place)
        }
    }

    func strings(_ name: String) throws(DocumentError) -> [String] {
        guard case .sequence(let elements) = self.content else {
            throw DocumentError("\(name) is a list of texts, and here is \(self.kind)", at: self.place)
        }
        var texts: [String] = []
        for element in elements { texts.append(try element.string("each of \(name)")) }
        return texts
    }

    /// A mapping whose keys are free, such as environment variables.
    func stringMap(_ name: String) throws(DocumentError) -> [(key: String, value: String, place: Place)] {
        guard case .mapping(let fields) = self.content else {
            throw DocumentError("\(name) is a mapping of texts, and here is \(self.kind)", at: self.place)
        }
        var pairs: [(key: String, value: String, place: Place)] = []
        for field in fields { pairs.append((field.key, try field.value.string(field.key), field.place)) }
        return pairs
    }
}

/// The fields of one mapping, checked to be known.
struct Fields {
    let owner: String
    let place: Document.Place
    let fields: [Document.Field]

    /// Nil also for a field without a value: `mailbox:` and nothing after it is as if it were not there.
    func optional(_ key: String) -> Document? {
        guard let value = self.fields.first(where: { $0.key == key })?.value else { return nil }
        if case .null = value.content { return nil }
        return value
    }

    func required(_ key: String) throws(DocumentError) -> Document {
        guard let value = self.optional(key) else {
            let place = self.fields.first { $0.key == key }?.place ?? self.place
            throw DocumentError("\(self.owner) lacks '\(key)'", at: place)
        }
        return value
    }
}

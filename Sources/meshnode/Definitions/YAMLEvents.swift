internal import CYAML

/// libyaml's events, one by one: what is read next is asked for, so whoever reads decides when it is too much.
@safe struct YAMLEvents: ~Copyable {
    enum Event {
        case scalar(Scalar, anchor: String?)
        case sequence(anchor: String?)
        case mapping(anchor: String?)
        /// Of a sequence or mapping.
        case end
        case alias(String)
        case documentStart, documentEnd, streamEnd
    }

    struct Scalar {
        var text: String
        /// Written without quotes, so that it may stand for nothing.
        var isPlain: Bool
        /// Where each of its characters stood, counted from its place: nil if it was written otherwise than it reads.
        var indent: Int?
    }

    /// On the heap: libyaml keeps pointers into it.
    private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    private let firstLine: Int

    /// `text` outlives the events; `firstLine` lines of the file stand before it.
    init(_ text: UnsafeBufferPointer<UInt8>, firstLine: Int) {
        self.firstLine = firstLine
        precondition(unsafe yaml_parser_initialize(self.parser) == 1, "no memory for a YAML parser")
        unsafe yaml_parser_set_input_string(self.parser, text.baseAddress, text.count)
        unsafe yaml_parser_set_encoding(self.parser, YAML_UTF8_ENCODING)
    }

    deinit {
        unsafe yaml_parser_delete(self.parser)
        unsafe self.parser.deallocate()
    }

    mutating func next() throws(DocumentError) -> (event: Event, place: Document.Place) {
        while true {
            var raw = unsafe yaml_event_t()
            guard unsafe yaml_parser_parse(self.parser, &raw) == 1 else { throw self.failure }
            defer { unsafe yaml_event_delete(&raw) }
            if let event = unsafe Self.event(raw) { return (event, unsafe self.place(raw.start_mark)) }
        }
    }

    /// Nil for what says nothing here.
    private static func event(_ raw: yaml_event_t) -> Event? {
        switch unsafe raw.type {
        case YAML_SCALAR_EVENT:
            let scalar = unsafe raw.data.scalar
            let text = unsafe String(
                decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            let isPlain = unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE
            let quotes = isPlain ? 0 : 1
            let isOneLine = unsafe raw.start_mark.line == raw.end_mark.line
            let width = unsafe Int(raw.end_mark.column) - Int(raw.start_mark.column)
            let isAsWritten = isOneLine && width == text.unicodeScalars.count + 2 * quotes
            return unsafe .scalar(
                Scalar(text: text, isPlain: isPlain, indent: isAsWritten ? quotes : nil),
                anchor: Self.text(scalar.anchor))
        case YAML_SEQUENCE_START_EVENT: return unsafe .sequence(anchor: Self.text(raw.data.sequence_start.anchor))
        case YAML_MAPPING_START_EVENT: return unsafe .mapping(anchor: Self.text(raw.data.mapping_start.anchor))
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return .end
        case YAML_ALIAS_EVENT: return unsafe .alias(Self.text(raw.data.alias.anchor) ?? "")
        case YAML_DOCUMENT_START_EVENT: return .documentStart
        case YAML_DOCUMENT_END_EVENT: return .documentEnd
        case YAML_STREAM_END_EVENT: return .streamEnd
        default: return nil
        }
    }

    private static func text(_ bytes: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        guard let bytes = unsafe bytes else { return nil }
        return unsafe String(cString: bytes)  // ends with a zero, says libyaml
    }

    private func place(_ mark: yaml_mark_t) -> Document.Place {
        Document.Place(line: mark.line + 1 + self.firstLine, column: mark.column + 1)
    }

    private var failure: DocumentError {
        let problem = unsafe self.parser.pointee.problem.map { unsafe String(cString: $0) } ?? "no memory"
        guard unsafe self.parser.pointee.error != YAML_READER_ERROR else {
            return DocumentError(
                "not YAML: \(problem)", at: nil, hint: "save the file as UTF-8 without control characters")
        }
        let isIndentation = problem.contains("tab") || problem.contains("cannot start any token")
        return DocumentError(
            "not YAML: \(problem)", at: unsafe self.place(self.parser.pointee.problem_mark),
            hint: isIndentation ? "indent with spaces, and quote texts that begin with @, `, % or a tab" : "")
    }
}

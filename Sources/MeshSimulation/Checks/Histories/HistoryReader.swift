internal import MeshCore

/// What is wrong in a history, and where.
package struct HistoryError: Error, Hashable, Sendable, CustomStringConvertible {
    package var line: Int
    package var reason: String
    package var description: String { "line \(self.line): \(self.reason)" }
}

/// Reads a history, line by line.
package struct HistoryReader {
    package static let lineBytesMax = 1 << 20
    package static let linesMax = 10_000_000

    package private(set) var history = History()
    private var line = 0
    /// Canonical texts of values, by object type alone: objects do not mix values, but numbers may be shared.
    private var values: [[UInt8]: ValueID] = [Array("null".utf8): 0]
    /// Queues into which null was pushed: what a pop means that answers null depends on it.
    private var queuesWithNull: Set<String> = []

    package init() {}

    /// All of it, also what has no line break behind it.
    package static func read(_ bytes: [UInt8]) throws(HistoryError) -> History {
        var reader = HistoryReader()
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            try reader.add(Array(line))
        }
        return reader.finished()
    }

    package mutating func add(_ bytes: [UInt8]) throws(HistoryError) {
        self.line += 1
        guard self.line <= Self.linesMax else { throw self.error("more than \(Self.linesMax) lines") }
        guard bytes.count <= Self.lineBytesMax else { throw self.error("longer than \(Self.lineBytesMax) bytes") }
        guard !bytes.allSatisfy({ [0x20, 0x09, 0x0D].contains($0) }) else { return }
        guard let members = jsonMembers(of: bytes) else { throw self.error("not one JSON object") }
        let fields = HistoryFields(bytes: bytes, members: members, line: self.line)
        let type = try fields.text("type")
        switch type {
        case "history": try self.addHeader(fields)
        case "register": try self.addRegister(fields)
        case "queue": try self.addQueue(fields)
        case "counter": try self.addCounter(fields)
        case "message": try self.addSending(fields)
        case "processed":
            self.history.processings[try fields.text("object"), default: []].append(
                .init(message: try self.message(fields), line: self.line))
        case "outbox":
            let outbox = History.Outbox(source: try fields.text("source"), destination: try fields.text("destination"))
            self.history.outboxes[outbox, default: []].append(
                .init(number: try fields.natural("number"), line: self.line))
        case "fault": break  // for people and for pictures
        default: throw self.error("unknown type '\(type.prefix(64))'")
        }
    }

    package consuming func finished() -> History {
        for (object, operations) in self.history.queues where !self.queuesWithNull.contains(object) {
            self.history.queues[object] = operations.map { operation in
                var operation = operation
                if operation.operation == .pop(0) { operation.operation = .popNothing }
                return operation
            }
        }
        return self.history
    }

    // MARK: lines

    private mutating func addHeader(_ fields: HistoryFields) throws(HistoryError) {
        guard try fields.natural("version") == 1 else { throw self.error("version 1 is read here") }
        guard let text = try fields.optionalText("delivery") else { return }
        guard let delivery = History.Delivery(rawValue: text) else {
            throw self.error("delivery is exactly_once or at_least_once")
        }
        self.history.delivery = delivery
    }

    private mutating func addRegister(_ fields: HistoryFields) throws(HistoryError) {
        let (call, end, outcome) = try self.times(fields)
        let (verb, argument) = try fields.command()
        let answer = outcome == .ok ? try fields.object("answer") : nil
        let value = try answer.map { answer throws(HistoryError) in try self.value(answer.bytes("value")) }
        let operation: RegisterModel.Operation
        switch verb {
        case "read": operation = .read(value)
        case "write": operation = .write(try self.value(argument), answer: value)
        case "cas":
            guard let elements = jsonElements(of: argument), elements.count == 2 else {
                throw self.error("cas is a list of two values")
            }
            let swapped = try answer?.boolean("swapped")
            operation = .cas(
                old: try self.value(Array(argument[elements[0]])), new: try self.value(Array(argument[elements[1]])),
                answer: value.flatMap { value in swapped.map { .init(value: value, swapped: $0) } })
        default: throw self.error("a register has no '\(verb.prefix(64))'")
        }
        guard outcome != .failed else { return }
        self.history.registers[try fields.text("object"), default: []].append(
            TimedOperation(operation, call: call, end: end, line: self.line))
    }

    private mutating func addQueue(_ fields: HistoryFields) throws(HistoryError) {
        let (call, end, outcome) = try self.times(fields)
        let (verb, argument) = try fields.command()
        let object = try fields.text("object")
        let answer = outcome == .ok ? try self.value(fields.object("answer").bytes("value")) : nil
        let operation: QueueModel.Operation
        switch verb {
        case "push":
            let value = try self.value(argument)
            if value == 0 { self.queuesWithNull.insert(object) }
            operation = .push(value, answer: answer)
        case "pop": operation = .pop(answer)
        default: throw self.error("a queue has no '\(verb.prefix(64))'")
        }
        guard outcome != .failed else { return }
        self.history.queues[object, default: []].append(
            TimedOperation(operation, call: call, end: end, line: self.line))
    }

    private mutating func addCounter(_ fields: HistoryFields) throws(HistoryError) {
        let (call, end, outcome) = try self.times(fields)
        let (verb, argument) = try fields.command()
        let addend: Int64
        switch verb {
        case "read": addend = 0
        case "add":
            guard let value = Int64(String(decoding: argument, as: UTF8.self)) else {
                throw self.error("add is a whole number of 64 bits")
            }
            addend = value
        default: throw self.error("a counter has no '\(verb.prefix(64))'")
        }
        let sum = outcome == .ok ? try fields.object("answer").integer("value") : nil
        self.history.counters[try fields.text("object"), default: []].append(
            .init(addend: addend, sum: sum, call: call, end: end, outcome: outcome, line: self.line))
    }

    private mutating func addSending(_ fields: HistoryFields) throws(HistoryError) {
        let (_, _, outcome) = try self.times(fields)
        self.history.sendings[try fields.text("object"), default: []].append(
            .init(message: try self.message(fields), outcome: outcome, line: self.line))
    }

    // MARK: parts of lines

    private func message(_ fields: HistoryFields) throws(HistoryError) -> History.MessageName {
        .init(client: try fields.text("client"), number: try fields.natural("number"))
    }

    private mutating func times(
        _ fields: HistoryFields
    ) throws(HistoryError) -> (call: Int64, end: Int64?, outcome: History.Outcome) {
        self.history.operationCount += 1
        guard let outcome = History.Outcome(rawValue: try fields.text("outcome")) else {
            throw self.error("outcome is ok, failed or unknown")
        }
        let call = try fields.integer("call")
        // An outcome that is unknown has no end: it may still come about.
        guard outcome != .unknown else { return (call, nil, outcome) }
        let end = try fields.integer("return")
        guard call <= end else { throw self.error("it returns before it is called") }
        return (call, end, outcome)
    }

    private mutating func value(_ text: [UInt8]) throws(HistoryError) -> ValueID {
        let canonical: [UInt8]
        do throws(JSONValueError) { canonical = try canonicalJSON(text) } catch {
            throw self.error("a value cannot be compared: \(error)")
        }
        if let known = self.values[canonical] { return known }
        let fresh = ValueID(self.values.count)
        self.values[canonical] = fresh
        return fresh
    }

    private func error(_ reason: String) -> HistoryError { HistoryError(line: self.line, reason: reason) }
}

/// The members of one object of a line.
private struct HistoryFields {
    let bytes: [UInt8]
    let members: [String: Range<Int>]
    let line: Int

    func bytes(_ name: String) throws(HistoryError) -> [UInt8] {
        guard let range = self.members[name] else { throw self.error("there is no '\(name)'") }
        let isSpace = { (byte: UInt8) in [0x20, 0x09, 0x0A, 0x0D].contains(byte) }
        return Array(Array(self.bytes[range]).reversed().drop(while: isSpace).reversed())
    }

    func text(_ name: String) throws(HistoryError) -> String {
        guard let text = try self.optionalText(name) else { throw self.error("there is no '\(name)'") }
        return text
    }

    func optionalText(_ name: String) throws(HistoryError) -> String? {
        guard self.members[name] != nil else { return nil }
        let bytes = try self.bytes(name)
        // The one spelling of it is name enough.
        guard bytes.first == UInt8(ascii: "\""), let canonical = try? canonicalJSON(bytes) else {
            throw self.error("'\(name)' is a text")
        }
        return String(decoding: canonical.dropFirst().dropLast(), as: UTF8.self)
    }

    func integer(_ name: String) throws(HistoryError) -> Int64 {
        guard let value = Int64(String(decoding: try self.bytes(name), as: UTF8.self)) else {
            throw self.error("'\(name)' is a whole number of 64 bits")
        }
        return value
    }

    func natural(_ name: String) throws(HistoryError) -> UInt64 {
        guard let value = UInt64(String(decoding: try self.bytes(name), as: UTF8.self)) else {
            throw self.error("'\(name)' is a whole number, not below 0")
        }
        return value
    }

    func boolean(_ name: String) throws(HistoryError) -> Bool {
        switch String(decoding: try self.bytes(name), as: UTF8.self) {
        case "true": true
        case "false": false
        default: throw self.error("'\(name)' is true or false")
        }
    }

    func object(_ name: String) throws(HistoryError) -> HistoryFields {
        let bytes = try self.bytes(name)
        guard let members = jsonMembers(of: bytes) else { throw self.error("'\(name)' is an object") }
        return HistoryFields(bytes: bytes, members: members, line: self.line)
    }

    /// The one member of `op`.
    func command() throws(HistoryError) -> (verb: String, argument: [UInt8]) {
        let operation = try self.object("op")
        guard operation.members.count == 1, let verb = operation.members.keys.first else {
            throw self.error("'op' is an object with one member")
        }
        return (verb, try operation.bytes(verb))
    }

    private func error(_ reason: String) -> HistoryError { HistoryError(line: self.line, reason: reason) }
}

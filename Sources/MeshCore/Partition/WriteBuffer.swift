/// A value as it lies on the disk.
protocol StoredRecord {
    init(decoding bytes: [UInt8]) throws(WireError)
}

extension Envelope: StoredRecord {}
extension StateValue: StoredRecord {}
extension TimerRecord: StoredRecord {}
extension IdempotencyRecord: StoredRecord {}
extension IdempotencyPage: StoredRecord {}

/// What a batch of entries writes, before it goes to the disk, and what was read for it.
///
/// Of several changes of one key the last one counts. A message that is queued and consumed by the same batch is never
/// written: that is what makes the combined entry cheap.
struct WriteBuffer: Sendable {
    private struct Change: Sendable {
        var key: [UInt8]
        var value: [UInt8]?
        /// The disk has nothing under the key.
        var isNew: Bool
    }

    private var changes: [Change] = []
    private var places: [[UInt8]: Int] = [:]
    private var learned: [[UInt8]: [UInt8]?] = [:]

    /// What is under a key after the commands so far. Whatever may be asked was named by `missing`.
    subscript(key: [UInt8]) -> [UInt8]? {
        if let place = self.places[key] { return self.changes[place].value }
        guard let value = self.learned[key] else {
            preconditionFailure("nothing was learned of \(key), which an entry needs")
        }
        return value
    }

    /// The record under a key. What was read was checked by `learn`, and the rest was written here.
    func record<Record: StoredRecord>(_ key: [UInt8]) -> Record? {
        guard let bytes = self[key] else { return nil }
        do { return try Record(decoding: bytes) } catch { preconditionFailure("\(Record.self) under \(key): \(error)") }
    }

    mutating func learn(_ key: [UInt8], _ value: [UInt8]?) { self.learned[key] = .some(value) }

    func knows(_ key: [UInt8]) -> Bool { self.learned.index(forKey: key) != nil }

    /// `isNew`: the caller knows that the disk has nothing under the key, so that removing it may cost nothing.
    mutating func put(_ key: [UInt8], _ value: [UInt8], isNew: Bool = false) { self.set(key, value, isNew: isNew) }

    mutating func delete(_ key: [UInt8]) { self.set(key, nil, isNew: false) }

    private mutating func set(_ key: [UInt8], _ value: [UInt8]?, isNew: Bool) {
        if let place = self.places[key] {
            self.changes[place].value = value
        } else {
            self.places[key] = self.changes.count
            self.changes.append(Change(key: key, value: value, isNew: isNew))
        }
    }

    /// Empties it into the batch.
    mutating func drain(into batch: inout StateBatch) {
        for change in self.changes {
            if let value = change.value {
                batch.put(change.key, value)
            } else if !change.isNew {
                batch.delete(change.key)
            }
        }
        self.changes.removeAll(keepingCapacity: true)
        self.places.removeAll(keepingCapacity: true)
        self.learned.removeAll(keepingCapacity: true)
    }
}

/// Which messages of one priority wait in a mailbox: those in `head ..< next` that are in no gap.
///
/// Almost always they are consumed in order, and there are no gaps; so it takes a few words, however many wait.
package struct MailboxLane: Hashable, Sendable {
    package let priority: Envelope.Priority
    package private(set) var head: UInt64
    package private(set) var next: UInt64
    /// Of the records that wait.
    package private(set) var byteCount: UInt64
    /// Consumed numbers after the head, in ascending order; two gaps never touch.
    package private(set) var gaps: [Range<UInt64>]
    package private(set) var count: UInt64

    package init(_ priority: Envelope.Priority, from number: UInt64) {
        self.priority = priority
        self.head = number
        self.next = number
        self.byteCount = 0
        self.gaps = []
        self.count = 0
    }

    package var isEmpty: Bool { self.head == self.next }
    package var first: MailboxOffset? { self.isEmpty ? nil : MailboxOffset(self.priority, self.head) }

    package func contains(_ number: UInt64) -> Bool {
        guard number >= self.head, number < self.next else { return false }
        let place = self.place(of: number)
        return place == self.gaps.count || !self.gaps[place].contains(number)
    }

    /// The first that waits and is not before `number`.
    package func first(from number: UInt64) -> UInt64? {
        let number = max(number, self.head)
        guard number < self.next else { return nil }
        let place = self.place(of: number)
        guard place < self.gaps.count, self.gaps[place].contains(number) else { return number }
        let end = self.gaps[place].upperBound
        return end < self.next ? end : nil
    }

    mutating func append(byteCount: Int) -> MailboxOffset {
        defer {
            self.next += 1
            self.count += 1
            self.byteCount += UInt64(byteCount)
        }
        return MailboxOffset(self.priority, self.next)
    }

    /// False if it does not wait, and then nothing has changed.
    mutating func consume(_ number: UInt64, byteCount: UInt32) -> Bool {
        guard self.contains(number) else { return false }
        self.count -= 1
        // Who consumed it says how large it was. A wrong word is forgotten when the lane is empty.
        self.byteCount = self.count == 0 ? 0 : self.byteCount - min(self.byteCount, UInt64(byteCount))
        guard number > self.head else {
            self.head += 1
            if let gap = self.gaps.first, gap.lowerBound == self.head {
                self.head = gap.upperBound
                self.gaps.removeFirst()
            }
            return true
        }
        self.open(number)
        return true
    }

    private mutating func open(_ number: UInt64) {
        let place = self.place(of: number)
        let joinsLeft = place > 0 && self.gaps[place - 1].upperBound == number
        let joinsRight = place < self.gaps.count && self.gaps[place].lowerBound == number + 1
        switch (joinsLeft, joinsRight) {
        case (true, true):
            self.gaps[place - 1] = self.gaps[place - 1].lowerBound..<self.gaps[place].upperBound
            self.gaps.remove(at: place)
        case (true, false): self.gaps[place - 1] = self.gaps[place - 1].lowerBound..<number + 1
        case (false, true): self.gaps[place] = number..<self.gaps[place].upperBound
        case (false, false): self.gaps.insert(number..<number + 1, at: place)
        }
    }

    /// The first gap that ends after a number.
    private func place(of number: UInt64) -> Int {
        var (low, high) = (0, self.gaps.count)
        while low < high {
            let middle = (low + high) / 2
            if self.gaps[middle].upperBound > number { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

// Priority, head, next, bytes, gaps.
extension WireWriter {
    mutating func write(_ lane: MailboxLane) {
        self.write(lane.priority.rawValue)
        self.write(lane.head)
        self.write(lane.next)
        self.write(lane.byteCount)
        self.write(UInt16(lane.gaps.count))
        for gap in lane.gaps {
            self.write(gap.lowerBound)
            self.write(gap.upperBound)
        }
    }
}

extension WireReader {
    mutating func lane() throws(WireError) -> MailboxLane {
        let start = self.offset
        guard let priority = Envelope.Priority(rawValue: try self.read()) else {
            throw WireError(.unknownKind, at: start)
        }
        var lane = MailboxLane(priority, from: try self.read())
        try lane.read(from: &self, at: start)
        return lane
    }
}

extension MailboxLane {
    fileprivate mutating func read(from reader: inout WireReader, at start: Int) throws(WireError) {
        self.next = try reader.read()
        self.byteCount = try reader.read()
        guard self.head <= self.next, self.next <= MailboxOffset.numberMax else {
            throw WireError(.invalidValue, at: start)
        }
        self.count = self.next - self.head
        var end = self.head
        for _ in 0..<(try reader.read(UInt16.self)) {
            let (low, high) = (try reader.read(UInt64.self), try reader.read(UInt64.self))
            guard end < low, low < high, high <= self.next else { throw WireError(.invalidValue, at: start) }
            self.gaps.append(low..<high)
            self.count -= high - low
            end = high
        }
    }
}

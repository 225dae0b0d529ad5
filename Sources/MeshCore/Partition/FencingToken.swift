/// What lets an activation commit: the place of its grant in the log (Kleppmann 2016, "fencing tokens").
///
/// An actor has at most one current token, and each grant's is greater than all before it: the log only grows, and where a
/// forced recovery cuts it short, the incarnation is raised.
package struct FencingToken: Hashable, Comparable, Sendable {
    package var incarnation: GroupIncarnation
    package var index: LogIndex

    package init(incarnation: GroupIncarnation, index: LogIndex) {
        self.incarnation = incarnation
        self.index = index
    }

    package static func < (left: FencingToken, right: FencingToken) -> Bool {
        (left.incarnation.counter, left.index) < (right.incarnation.counter, right.index)
    }
}

extension FencingToken: CustomStringConvertible {
    package var description: String { "\(self.incarnation.counter).\(self.index)" }
}

/// A client's session with one partition: the place of the entry that opened it, and which of that entry's commands did.
package struct SessionID: Hashable, Comparable, Sendable {
    package var incarnation: GroupIncarnation
    package var index: LogIndex
    package var command: UInt16

    package init(incarnation: GroupIncarnation, index: LogIndex, command: UInt16) {
        self.incarnation = incarnation
        self.index = index
        self.command = command
    }

    package static func < (left: SessionID, right: SessionID) -> Bool {
        (left.incarnation.counter, left.incarnation.id, left.index, left.command)
            < (right.incarnation.counter, right.incarnation.id, right.index, right.command)
    }
}

extension WireWriter {
    package mutating func write(_ token: FencingToken) {
        self.write(token.incarnation)
        self.write(token.index)
    }

    package mutating func write(_ session: SessionID) {
        self.write(session.incarnation)
        self.write(session.index)
        self.write(session.command)
    }
}

extension WireReader {
    package mutating func fencingToken() throws(WireError) -> FencingToken {
        FencingToken(incarnation: try self.groupIncarnation(), index: try self.read())
    }

    package mutating func sessionID() throws(WireError) -> SessionID {
        SessionID(incarnation: try self.groupIncarnation(), index: try self.read(), command: try self.read())
    }
}

package import MeshCore

/// What an operator wants of the drain of a member.
package enum DrainWish: Hashable, Sendable {
    /// Only to know how far it is.
    case look
    case begin(reason: String)
    case cancel
}

/// How far a member has given away what it has, as the leader of the meta group knows.
package struct DrainProgress: Hashable, Sendable {
    package var standing: AdmittedMember.Standing
    /// Partitions that it leads.
    package var leads = 0
    /// Partitions with a replica on it.
    package var replicas = 0
    /// Those among them that shall stay there, since no other member could take them.
    package var wanted = 0
    package var isVoterOfMeta: Bool
    /// Nothing more is to be moved, or can be.
    package var isSettled = false

    package init(standing: AdmittedMember.Standing, isVoterOfMeta: Bool) {
        self.standing = standing
        self.isVoterOfMeta = isVoterOfMeta
    }
}

/// What came of a wish, as the body of an `answer` frame.
enum DrainAnswer: Hashable, Sendable {
    case progress(DrainProgress)
    /// Another node leads the meta group, if any does; nothing was done, or nobody here knows.
    case elsewhere(NodeID?)
    case refused(MeshError)

    // Kind, what it is, and what belongs to it: standing, leads u32, replicas u32, wanted u32, u8 voter, u8 settled.
    func encoded() -> [UInt8] {
        var writer = WireWriter()
        writer.write(6 as UInt8)
        switch self {
        case .progress(let progress):
            writer.write(1 as UInt8)
            writer.write(progress.standing)
            writer.write(UInt32(clamping: progress.leads))
            writer.write(UInt32(clamping: progress.replicas))
            writer.write(UInt32(clamping: progress.wanted))
            writer.write((progress.isVoterOfMeta ? 1 : 0) as UInt8)
            writer.write((progress.isSettled ? 1 : 0) as UInt8)
        case .elsewhere(let leader):
            writer.write(2 as UInt8)
            writer.write((leader == nil ? 0 : 1) as UInt8)
            if let leader { writer.write(leader) }
        case .refused(let error):
            writer.write(3 as UInt8)
            Outcome.failed(error).write(to: &writer)
        }
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        guard try reader.read(UInt8.self) == 6 else { throw WireError(.unknownKind, at: 0) }
        switch try reader.read(UInt8.self) {
        case 1:
            var progress = DrainProgress(standing: try reader.standing(), isVoterOfMeta: false)
            progress.leads = Int(try reader.read(UInt32.self))
            progress.replicas = Int(try reader.read(UInt32.self))
            progress.wanted = Int(try reader.read(UInt32.self))
            progress.isVoterOfMeta = try reader.read(UInt8.self) == 1
            progress.isSettled = try reader.read(UInt8.self) == 1
            self = .progress(progress)
        case 2: self = .elsewhere(try reader.read(UInt8.self) == 1 ? try reader.nodeID() : nil)
        case 3:
            guard case .failed(let error) = try Outcome.read(from: &reader) else {
                throw WireError(.invalidValue, at: 1)
            }
            self = .refused(error)
        default: throw WireError(.unknownKind, at: 1)
        }
        try reader.end()
    }
}

extension DrainWish {
    func write(to writer: inout WireWriter) {
        switch self {
        case .look: writer.write(0 as UInt8)
        case .begin(let reason):
            writer.write(1 as UInt8)
            writer.write(shortText: reason)
        case .cancel: writer.write(2 as UInt8)
        }
    }

    static func read(from reader: inout WireReader) throws(WireError) -> DrainWish {
        switch try reader.read(UInt8.self) {
        case 0: return .look
        case 1: return .begin(reason: try reader.shortText())
        case 2: return .cancel
        default: throw WireError(.unknownKind, at: reader.offset - 1)
        }
    }
}

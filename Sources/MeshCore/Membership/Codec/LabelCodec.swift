/// Name, zone, version and tags as one run of bytes, at most `MemberDescription.labelBytesMax`.
struct Labels: Hashable, Sendable {
    var name: String
    var zone: String
    var version: String
    var tags: [Label]
}

extension WireReader {
    /// Everything to the end.
    mutating func labels() throws(WireError) -> Labels {
        let (name, zone, version) = (try self.shortText(), try self.shortText(), try self.shortText())
        let count = Int(try self.read(UInt8.self))
        var tags: [Label] = []
        tags.reserveCapacity(min(count, self.remaining / 2))
        for _ in 0..<count { tags.append(Label(try self.shortText(), try self.shortText())) }
        try self.end()
        return Labels(name: name, zone: zone, version: version, tags: tags)
    }
}

extension MemberDescription {
    /// Says what does not fit in `alive`, so that whoever configures a node can be told before it starts.
    package func validate() throws(MeshError) {
        let texts = [self.name, self.zone, self.version] + self.tags.flatMap { [$0.key, $0.value] }
        if let long = texts.first(where: { $0.utf8.count > 255 }) {
            throw MeshError(.invalidArgument, "\(long.prefix(32))… is longer than 255 bytes", hint: "shorten it")
        }
        if self.tags.count > 255 { throw MeshError(.invalidArgument, "more than 255 tags", hint: "remove some") }
        for (tag, next) in zip(self.tags, self.tags.dropFirst()) where tag.key == next.key {
            throw MeshError(.invalidArgument, "tag \(tag.key) is given twice", hint: "give each key once")
        }
        let count = self.encodedLabels.count
        if count > Self.labelBytesMax {
            throw MeshError(
                .invalidArgument, "name, zone, version and tags take \(count) bytes of \(Self.labelBytesMax)",
                hint: "shorten or remove tags")
        }
    }

    var encodedLabels: [UInt8] {
        var writer = WireWriter()
        writer.write(shortText: self.name)
        writer.write(shortText: self.zone)
        writer.write(shortText: self.version)
        writer.write(UInt8(self.tags.count))
        for tag in self.tags {
            writer.write(shortText: tag.key)
            writer.write(shortText: tag.value)
        }
        return writer.bytes
    }
}

extension MemberRecord {
    init(_ description: MemberDescription, since: Instant) {
        self.init(
            id: description.id, boot: description.boot, endpoint: description.endpoint,
            protocolMin: description.protocols.lowerBound, protocolMax: description.protocols.upperBound,
            incarnation: 0, since: since, sent: 0)
    }
}

extension MemberTable {
    /// Decoded for people.
    func description(of index: Int) -> MemberDescription {
        let record = self[index]
        var labels = Labels(name: "", zone: "", version: "", tags: [])
        let bytes = Array(self.labels(of: index))
        var reader = WireReader(bytes.raw)
        do throws(WireError) {
            labels = try reader.labels()
        } catch {
            preconditionFailure("labels of \(record.id) were stored unchecked: \(error)")
        }
        return MemberDescription(
            id: record.id, boot: record.boot, endpoint: record.endpoint, name: labels.name, zone: labels.zone,
            version: labels.version, tags: labels.tags, protocols: record.protocolMin...record.protocolMax)
    }
}

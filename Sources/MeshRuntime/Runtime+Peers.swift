internal import Logging
package import MeshCore
internal import Metrics

extension Runtime: PeerHandler {
    package func received(_ frame: PeerFrame, from node: NodeID) {
        if self.partitions.received(frame, from: node) { return }
        do throws(WireError) {
            switch frame.kind {
            case .definitions:
                let body = try DefinitionsFrame(decoding: frame.body)
                self.definitionTable.received(body, correlation: frame.correlation, from: node)
            case .query:
                switch try QueryFrame(decoding: frame.body) {
                case .actors(let prefix):
                    self.list(prefix: prefix, node: "") { actors in
                        let body = ActorListing(actors: actors).encoded()
                        _ = self.transmit(
                            PeerFrame(kind: .answer, correlation: frame.correlation, body: body), to: node)
                    }
                case .partitions:
                    let body = PartitionListing(partitions: self.partitionStatus).encoded()
                    _ = self.transmit(PeerFrame(kind: .answer, correlation: frame.correlation, body: body), to: node)
                case .actor(let path):
                    // Whoever leads no longer says nothing.
                    guard let place = self.partitions.place(of: path) else { return }
                    _ = self.transmit(
                        PeerFrame(kind: .answer, correlation: frame.correlation, body: place.encoded()), to: node)
                case .digests:
                    self.digestQuestions.continuation.yield(DigestQuestion(node: node, number: frame.correlation))
                case .drain(let member, let wish):
                    self.partitions.meta.drain(member, wish) { answer in
                        _ = self.transmit(
                            PeerFrame(kind: .answer, correlation: frame.correlation, body: answer.encoded()), to: node)
                    }
                case .deadLetters(let query):
                    self.partitions.answer(query) { answer in
                        _ = self.transmit(
                            PeerFrame(kind: .answer, correlation: frame.correlation, body: answer.encoded()), to: node)
                    }
                case .logs(let query):
                    let body = self.journal.logs(query).encodedLogs()
                    _ = self.transmit(PeerFrame(kind: .answer, correlation: frame.correlation, body: body), to: node)
                }
            case .answer: self.requests.answered(frame.correlation, by: node, .listing(frame.body))
            case .membership, .keyring, .diagnosis, .heartbeat, .consensus, .snapshot, .partition, .placement,
                .hosting:
                break
            }
        } catch {
            self.metrics.malformed.increment()
            self.logger.debug(
                "a frame does not parse",
                metadata: ["kind": "\(frame.kind)", "from": "\(node.short)", "reason": "\(error)"])
        }
    }

    /// Whoever asked this member learns that no answer will come. Its own requests go on here: an outcome that it does not
    /// wait for any more is a frame that meets nobody.
    package func disconnected(_ node: NodeID) {
        self.partitions.disconnected(node)
        self.requests.disconnected(node)
    }
}

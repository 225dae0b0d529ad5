// What `meshnode partitions --verify` shows. The names are those of the JSON, which is snake_case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import MeshCore

package struct VerificationView: Codable, Sendable {
    package struct Replica: Codable, Hashable, Sendable {
        package var node: String
        /// The entry of the log that its state is of.
        package var applied: UInt64
        /// Of all keys and values on its disk, 16 hexadecimal digits.
        package var digest: String

        package init(node: String, applied: UInt64, digest: String) {
            self.node = node
            self.applied = applied
            self.digest = digest
        }
    }

    package struct Partition: Codable, Sendable {
        package var partition: Int
        /// `equal`, `different`, or `moving` where the replicas were never seen at one entry.
        package var state: String
        package var replicas: [Replica]
    }

    package var partitions: [Partition]
    /// Names of members that did not answer in time: their replicas are missing.
    package var missing: [String]

    package init(partitions: [Partition], missing: [String]) {
        self.partitions = partitions
        self.missing = missing
    }
}

/// A member that wants to compare.
struct DigestQuestion: Sendable {
    var node: NodeID
    var number: UInt64
}

extension Runtime {
    private static let verificationRounds = 10
    private static let verificationPause = Duration.milliseconds(300)
    /// For one node to read the states of all of its replicas.
    private static let verificationTimeout = Duration.seconds(30)

    /// Compares what the replicas of each partition have on their disks. Those that have not applied the same are looked at
    /// again, for entries reach followers a moment after the leader.
    package func verifyPartitions() async -> VerificationView {
        var decided: [Int: VerificationView.Partition] = [:]
        var last = VerificationView(partitions: [], missing: [])
        for round in 0..<Self.verificationRounds {
            if round > 0 { try? await Task.sleep(for: Self.verificationPause) }
            last = await self.compareReplicas()
            for partition in last.partitions where partition.state != "moving" {
                decided[partition.partition] = decided[partition.partition] ?? partition
            }
            if last.partitions.allSatisfy({ decided[$0.partition] != nil }) { break }
        }
        last.partitions = last.partitions.map { decided[$0.partition] ?? $0 }
        return last
    }

    /// One after the other: each reads all that is on the disk.
    func answerDigestQuestions() async {
        for await question in self.digestQuestions.stream {
            let body = DigestListing(digests: await self.partitions.digests()).encoded()
            _ = self.transmit(
                PeerFrame(kind: .answer, correlation: question.number, body: body), to: question.node)
        }
    }

    private func compareReplicas() async -> VerificationView {
        let local = self.directory.localID
        let partitions = self.partitions
        let deadline = MonotonicClock.now + Self.verificationTimeout
        return await withTaskGroup(of: (NodeID, [StateDigest]?).self) { group in
            group.addTask { (local, await partitions.digests()) }
            for peer in self.directory.placeable where peer != local {
                group.addTask {
                    let body = await self.ask(peer, .digests, deadline: deadline)
                    return (peer, body.flatMap { try? DigestListing(decoding: $0).digests })
                }
            }
            var replicas: [Int: [VerificationView.Replica]] = [:]
            var missing: [String] = []
            for await (node, digests) in group {
                let name = self.name(of: node)
                if digests == nil { missing.append(name) }
                for digest in digests ?? [] {
                    replicas[Int(digest.partition.index), default: []].append(
                        VerificationView.Replica(
                            node: name, applied: digest.applied, digest: hexadecimal(digest.digest)))
                }
            }
            let views = (0..<partitions.configuration.placement.partitions).map { index in
                VerificationView.Partition(partition: index, replicas: replicas[index] ?? [])
            }
            return VerificationView(partitions: views, missing: missing.sorted())
        }
    }
}

extension VerificationView.Partition {
    package init(partition: Int, replicas: [VerificationView.Replica]) {
        let isAtOneEntry = Set(replicas.map(\.applied)).count == 1
        let isEqual = Set(replicas.map(\.digest)).count == 1
        self.init(
            partition: partition, state: !isAtOneEntry ? "moving" : isEqual ? "equal" : "different",
            replicas: replicas.sorted { $0.node < $1.node })
    }
}

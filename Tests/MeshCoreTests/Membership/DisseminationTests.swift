import MeshCore
import Testing

@Suite("Dissemination")
struct DisseminationTests {
    @Test("an event reaches every member once, the one that raised it included", arguments: [1, 2, 10, 40])
    func events(count: Int) {
        var mesh = TestMesh.joined(count)
        mesh.step(0, .raise(name: "deploy", payload: [1, 2, 3]))
        mesh.step(0, .raise(name: "deploy", payload: []))
        mesh.run(for: .seconds(10))
        for node in 0..<count {
            let seen = mesh.events.filter { $0.node == node }.map(\.event)
            #expect(seen.map(\.sequence).sorted() == [1, 2])
            #expect(seen.allSatisfy { $0.origin == TestMesh.id(0) && $0.name == "deploy" })
        }
    }

    @Test("an event that gossip lost is brought by an exchange, once, and not to those who joined later")
    func eventRepair() {
        var mesh = TestMesh.joined(8)
        // Until its gossip is over, only streams carry.
        mesh.loses = { _, _ in true }
        mesh.step(3, .raise(name: "deploy", payload: [1]))
        mesh.run(for: .seconds(10))
        #expect(mesh.events.count == 1)
        mesh.loses = { _, _ in false }
        let isReached = mesh.run(for: .seconds(60)) { mesh in
            (0..<8).allSatisfy { node in mesh.events.contains { $0.node == node } }
        }
        #expect(isReached)
        let late = mesh.boot()
        mesh.join(late, through: 0)
        mesh.run(for: .seconds(300))
        #expect(mesh.events.count == 8)
        #expect(!mesh.events.contains { $0.node == late })
    }

    @Test("an event of a new boot that overtakes the news of that boot is still seen once")
    func eventBeforeBoot() {
        var mesh = TestMesh.joined(3, settle: .seconds(20))
        let event = UserEvent(origin: TestMesh.id(2), bootEpoch: 2, sequence: 1, name: "deploy", payload: [])
        func tell(counter: UInt64, _ message: (inout WireWriter) -> Void) -> [UInt8] {
            var writer = WireWriter()
            writer.write(
                PacketHeader(
                    version: ProtocolVersion.current, sender: TestMesh.id(1), senderEpoch: 1, receiverEpoch: 1,
                    counter: counter))
            message(&writer)
            return writer.bytes
        }
        mesh.receive(0, datagram: tell(counter: 5000) { $0.write(event) }, from: TestMesh.endpoint(1))
        mesh.reboot(2, epoch: 2)
        mesh.join(2, through: 0)
        mesh.run(for: .milliseconds(100))
        #expect(mesh.nodes[0]?.boot(of: TestMesh.id(2))?.epoch == 2)
        mesh.receive(0, datagram: tell(counter: 5001) { $0.write(event) }, from: TestMesh.endpoint(1))
        #expect(mesh.events.filter { $0.node == 0 }.count == 1)
    }

    @Test("more events than are told at a time reach everybody all the same, once")
    func eventFlood() {
        var mesh = TestMesh.joined(5)
        for number in 0..<300 { mesh.step(number % 5, .raise(name: "n", payload: Array(repeating: 0, count: 512))) }
        mesh.run(for: .seconds(120))
        let counts = Dictionary(grouping: mesh.events) { "\($0.node) \($0.event.origin) \($0.event.sequence)" }
        #expect(counts.count == 1500)
        #expect(counts.allSatisfy { $0.value.count == 1 })
        #expect(mesh.nodes.allSatisfy { $0?.rumorCount == 0 })
    }

    @Test("a node alone owes its news to nobody; who comes gets the last word")
    func alone() {
        var mesh = TestMesh.joined(1)
        for number in 0..<1000 { mesh.step(0, .advertise([Label("load", "\(number)")])) }
        for _ in 0..<100 { mesh.step(0, .raise(name: "n", payload: [])) }
        #expect((mesh.nodes[0]?.rumorCount ?? 0) <= 1)
        let late = mesh.boot()
        mesh.join(late, through: 0)
        mesh.run(for: .seconds(5))
        #expect(mesh.nodes[late]?.member(TestMesh.id(0))?.capabilities == [Label("load", "999")])
        mesh.step(0, .advertise([Label("load", "1000")]))
        mesh.run(for: .seconds(5))
        #expect(mesh.nodes[late]?.member(TestMesh.id(0))?.capabilities == [Label("load", "1000")])
    }

    @Test("dynamic fields reach every member; the owner's last word counts")
    func capabilities() {
        var mesh = TestMesh.joined(10)
        mesh.step(3, .advertise([Label("gpu.memory.free", "24"), Label("load", "0.5")]))
        mesh.run(for: .seconds(3))
        mesh.step(3, .advertise([Label("gpu.memory.free", "12")]))
        mesh.run(for: .seconds(5))
        for node in 0..<10 {
            #expect(mesh.nodes[node]?.member(TestMesh.id(3))?.capabilities == [Label("gpu.memory.free", "12")])
        }
        #expect(mesh.isConverged)
    }

    @Test("what did not change is not told")
    func unchanged() {
        var mesh = TestMesh.joined(5)
        mesh.step(1, .advertise([Label("a", "1")]))
        mesh.run(for: .seconds(10))
        mesh.step(1, .advertise([Label("a", "1")]))
        #expect(mesh.nodes[1]?.rumorCount == 0)
    }

    @Test("dynamic fields belong to one boot")
    func capabilitiesOfABoot() {
        var mesh = TestMesh.joined(5)
        mesh.step(1, .advertise([Label("a", "1"), Label("b", "1")]))
        mesh.run(for: .seconds(5))
        mesh.kill(1)
        mesh.reboot(1, epoch: 2)
        mesh.join(1, through: 0)
        mesh.step(1, .advertise([Label("b", "2")]))
        mesh.run(for: .seconds(5))
        #expect(mesh.nodes[3]?.member(TestMesh.id(1))?.capabilities == [Label("b", "2")])
        #expect(mesh.isConverged)
    }

    @Test("fields that come and go stay within their limit and equal everywhere")
    func capabilityChurn() {
        var mesh = TestMesh.joined(4)
        for round in 0..<20 {
            mesh.step(1, .advertise((0..<10).map { Label("key-\(round)-\($0)", "\(round)") }))
            mesh.run(for: .seconds(2))
        }
        mesh.run(for: .seconds(60))
        let expected = (0..<10).map { Label("key-19-\($0)", "19") }
        for node in 0..<4 { #expect(mesh.nodes[node]?.member(TestMesh.id(1))?.capabilities == expected) }
    }

    @Test("a newcomer learns dynamic fields by its first exchange")
    func lateCapabilities() {
        var mesh = TestMesh.joined(5)
        mesh.step(1, .advertise([Label("a", "1")]))
        mesh.run(for: .seconds(60))
        let late = mesh.boot()
        mesh.join(late, through: 0)
        mesh.run(for: .milliseconds(100))
        #expect(mesh.nodes[late]?.member(TestMesh.id(1))?.capabilities == [Label("a", "1")])
    }

    @Test("push/pull alone brings two nodes together, whoever knows better")
    func antiEntropy() {
        var mesh = TestMesh.joined(6)
        // Gossip is lost; only streams carry.
        mesh.loses = { _, _ in true }
        mesh.step(2, .advertise([Label("a", "1")]))
        mesh.step(4, .retag([Label("team", "vision")]))
        let isReached = mesh.run(for: .seconds(240)) { mesh in
            mesh.nodes.allSatisfy {
                $0?.member(TestMesh.id(2))?.capabilities == [Label("a", "1")]
                    && $0?.member(TestMesh.id(4))?.description.tags == [Label("team", "vision")]
            }
        }
        #expect(isReached)
    }

    @Test("new tags raise the incarnation and are told as an update")
    func retag() {
        var mesh = TestMesh.joined(5)
        mesh.step(2, .retag([Label("team", "vision")]))
        mesh.run(for: .seconds(5))
        #expect(mesh.nodes[4]?.member(TestMesh.id(2))?.description.tags == [Label("team", "vision")])
        #expect(mesh.nodes[4]?.incarnation(of: TestMesh.id(2)) == 1)
        #expect(mesh.changes.contains { $0.node == 4 && $0.change.cause == .updated })
        mesh.step(2, .retag([Label("team", "vision")]))
        #expect(mesh.nodes[2]?.localIncarnation == 1)
    }

    @Test("leaving is told to all, is not death, and ends in departure", arguments: [1, 2, 5, 20])
    func leaving(count: Int) {
        var mesh = TestMesh.joined(count)
        let start = mesh.now
        mesh.step(0, .leave)
        let isReached = mesh.run(for: .seconds(10)) { $0.departed.contains(0) }
        #expect(isReached)
        #expect(mesh.now - start < .seconds(3))
        mesh.nodes[0] = nil
        mesh.run(for: .seconds(60))
        #expect((1..<count).allSatisfy { mesh.state(of: 0, at: $0) == .left })
        #expect(!mesh.changes.contains { $0.change.to == .dead || $0.change.to == .suspect })
    }

    @Test("who left comes back with its next boot")
    func leftAndBack() {
        var mesh = TestMesh.joined(4)
        mesh.step(1, .leave)
        mesh.run(for: .seconds(5))
        mesh.reboot(1, epoch: 2)
        mesh.join(1, through: 3)
        let isReached = mesh.run(for: .seconds(5)) { $0.isConverged }
        #expect(isReached)
    }
}

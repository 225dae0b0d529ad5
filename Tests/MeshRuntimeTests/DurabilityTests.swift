import MeshCore
import MeshRuntime
import MeshStorage
import Synchronization
import Testing

@Suite("Durability")
struct DurabilityTests {
    @Test("a program is given a message only when it is on disk", .timeLimit(.minutes(10)))
    func diskFirst() async throws {
        let storage = Mutex<RocksStorage?>(nil)
        let missing = Mutex(0)
        let handlers = ScriptedHandlers { message, path in
            let key = MailboxKeys.message(path, 0)
            let stored = try? await storage.withLock { $0 }?.get(.messages, key)
            if stored == nil { missing.withLock { $0 += 1 } }
            return message.body
        }
        try await withNode(handlers: handlers) { node in
            storage.withLock { $0 = node.storage }
            _ = try await node.runtime.apply([try definition("work", "/jobs/{key}")])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<300 {
                    group.addTask {
                        _ = try await node.runtime.call(OutgoingMessage(path: path("/jobs/\(number)"), body: [1]))
                    }
                }
                try await group.waitForAll()
            }
            storage.withLock { $0 = nil }
        }
        #expect(missing.withLock { $0 } == 0)
    }
}

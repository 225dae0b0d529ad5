internal import Glibc

// Threads for calls that may never return: a file system or a driver that hangs holds its caller in the kernel.

func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread: pthread_t = 0
    let box = unsafe Unmanaged.passRetained(Box(body)).toOpaque()
    let status = unsafe pthread_create(
        &thread, nil,
        { argument in
            guard let argument = unsafe argument else { return nil }
            unsafe Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
            return nil
        }, box)
    precondition(status == 0, "no thread can be started: error \(status)")
    pthread_detach(thread)
}

/// What `work` returns, or nil once it takes too long; then its thread is given up, not ended.
func onThread<Value: Sendable>(within limit: Duration, _ work: @escaping @Sendable () -> Value) async -> Value? {
    let (answers, answer) = AsyncStream.makeStream(of: Value.self, bufferingPolicy: .bufferingOldest(1))
    startThread {
        answer.yield(work())
        answer.finish()
    }
    return await withTaskGroup(of: Value?.self) { group in
        group.addTask {
            for await value in answers { return value }
            return nil
        }
        group.addTask {
            try? await Task.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        return await group.next() ?? nil
    }
}

internal import Glibc

/// A queue with a thread of its own, for calls that block. Whatever waits is handed over at once.
///
/// `@unchecked Sendable`, for the compiler knows nothing of pthreads: `pending` and `isClosed` are touched only with `mutex`
/// held, `body` only before the thread runs and then by it, `thread` only by `init` and the one `close` that joins it.
@safe final class Worker<Job: Sendable>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var pending: [Job] = []
    private var isClosed = false
    private var thread: pthread_t = 0
    private let name: String
    private let pause: Duration
    /// Asks for jobs until there are none. Dropped at the thread's end, and with it what only the work needs.
    private var body: (@Sendable (_ next: () -> [Job]?) -> Void)?

    /// `work` gets all that waited, in order, and no more often than `pause` apart.
    convenience init(name: String, pause: Duration = .zero, work: @escaping @Sendable ([Job]) -> Void) {
        self.init(name: name, pause: pause, making: {}, work: { _, jobs in work(jobs) })
    }

    /// What `make` makes on the thread no other ever has.
    init<State>(
        name: String, pause: Duration = .zero, making make: @escaping @Sendable () -> State,
        work: @escaping @Sendable (State, [Job]) -> Void
    ) {
        self.body = { next in
            let state = make()
            while let jobs = next() { work(state, jobs) }
        }
        self.name = name
        self.pause = pause
        unsafe pthread_mutex_init(self.mutex, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(self.condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
        // The thread owns a reference until `close`; without one it would outlive what it works on.
        let argument = unsafe Unmanaged.passRetained(self as AnyObject).toOpaque()
        let result = unsafe pthread_create(
            &self.thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let worker = unsafe Unmanaged<AnyObject>.fromOpaque(argument).takeRetainedValue()
                (worker as? any Runnable)?.run()
                return nil
            }, argument)
        precondition(result == 0, "no thread for \(name): error \(result)")
    }

    deinit {
        unsafe pthread_cond_destroy(self.condition)
        unsafe pthread_mutex_destroy(self.mutex)
        unsafe self.condition.deallocate()
        unsafe self.mutex.deallocate()
    }

    /// False after `close`: the job is not taken.
    @discardableResult
    func submit(_ job: Job) -> Bool {
        unsafe pthread_mutex_lock(self.mutex)
        defer { unsafe pthread_mutex_unlock(self.mutex) }
        guard !self.isClosed else { return false }
        self.pending.append(job)
        // The thread takes all at once, so only the first of a batch has to wake it.
        if self.pending.count == 1 { unsafe pthread_cond_signal(self.condition) }
        return true
    }

    /// Jobs that the thread has not taken yet.
    var waiting: Int {
        unsafe pthread_mutex_lock(self.mutex)
        defer { unsafe pthread_mutex_unlock(self.mutex) }
        return self.pending.count
    }

    /// Works off what was submitted, then ends the thread. Not to be called from it.
    func close() {
        unsafe pthread_mutex_lock(self.mutex)
        let wasClosed = self.isClosed
        self.isClosed = true
        unsafe pthread_cond_signal(self.condition)
        unsafe pthread_mutex_unlock(self.mutex)
        if !wasClosed { pthread_join(self.thread, nil) }
    }

    fileprivate func loop() {
        nameThread(self.name)
        var hasWorked = false
        self.body? {
            if hasWorked, self.pause > .zero { self.rest() }
            hasWorked = true
            return self.take()
        }
        self.body = nil
    }

    /// All that waits; nil when it was the last.
    private func take() -> [Job]? {
        unsafe pthread_mutex_lock(self.mutex)
        defer { unsafe pthread_mutex_unlock(self.mutex) }
        while self.pending.isEmpty, !self.isClosed { unsafe pthread_cond_wait(self.condition, self.mutex) }
        defer { self.pending = [] }
        return self.pending.isEmpty ? nil : self.pending
    }

    /// Until the pause is over or there will be nothing more to wait for.
    private func rest() {
        var end = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &end)
        let (seconds, attoseconds) = self.pause.components
        let nanoseconds = end.tv_nsec + Int(attoseconds / 1_000_000_000)
        end.tv_sec += Int(seconds) + nanoseconds / 1_000_000_000
        end.tv_nsec = nanoseconds % 1_000_000_000
        unsafe pthread_mutex_lock(self.mutex)
        defer { unsafe pthread_mutex_unlock(self.mutex) }
        while !self.isClosed, unsafe pthread_cond_timedwait(self.condition, self.mutex, &end) != ETIMEDOUT {}
    }
}

/// For `top -H` and debuggers; pthread_setname_np(3) is a GNU extension that Swift's Glibc module does not show.
private func nameThread(_ name: String) {
    let descriptor = unsafe open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    let bytes = Array(name.utf8.prefix(15))
    _ = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
}

/// What a C callback, which cannot be generic, can call.
private protocol Runnable { func run() }

extension Worker: Runnable { func run() { self.loop() } }

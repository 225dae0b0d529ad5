/// A node that is woken lets time pass: it never asks for a wake that is already due, again and again.
struct Progress: Sendable {
    static let name = "progress"
    private static let wakesMax = 1_000

    private var host = -1
    private var at = VirtualTime.zero
    private var wakes = 0

    mutating func woke(_ host: Int, at now: VirtualTime) -> Violation? {
        if host == self.host, now == self.at {
            self.wakes += 1
        } else {
            (self.host, self.at, self.wakes) = (host, now, 1)
        }
        guard self.wakes > Self.wakesMax else { return nil }
        return Violation(Self.name, at: now, host: host, "woken \(self.wakes) times without time passing")
    }
}

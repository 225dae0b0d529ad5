/// The kinds of trouble a run can draw. The raw values are the names on the command line.
package enum FaultKind: String, CaseIterable, Hashable, Sendable {
    /// Datagrams get lost, up to 10 %; stream segments are sent again.
    case loss
    case duplicate
    /// Datagrams arrive one to five minutes late.
    case late
    /// Jitter of up to 200 ms, so that datagrams overtake each other.
    case reorder
    /// Two sides that do not hear each other at all.
    case partition
    /// One side hears the other, but not the other way round.
    case oneway
    /// A few hosts lose all datagrams while their streams work.
    case udpblock
    /// SIGSTOP: inputs wait, time goes on, then SIGCONT.
    case pause
    /// Too little CPU: a few milliseconds of work, then a pause of up to a second, again and again.
    case slow
    /// kill -9: the host answers for it with resets. Most are started again with what they remember.
    case crash
    /// The host falls silent.
    case power
    /// Everybody is killed and started again.
    case massrestart
    case leave
    /// Killed and started with an empty data folder: another identity at the same address.
    case wipe
    /// Clocks run up to 1 % fast or slow.
    case drift
    /// Hosts that join in the middle, through the seeds.
    case join
    /// User events, tag changes and capability updates: no faults, but they must survive them.
    case news

    /// What no healthy mesh sees. The rest is ordinary life, during which nobody running may be called dead.
    package var disturbs: Bool {
        switch self {
        case .crash, .power, .massrestart, .leave, .wipe, .join, .news, .drift: false
        default: true
        }
    }
}

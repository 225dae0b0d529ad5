internal import MeshCore

/// Who answers at a path, for the leads of partitions: built-in actors, and what definitions say.
struct RegisteredKinds: ActorKinds {
    /// What a turn may take longer than its program may, before the lead gives up its host.
    private static let slack = Duration.seconds(10)

    let definitions: any DefinitionRegistry

    func kind(of path: ActorPath) throws(MeshError) -> ActorKind {
        switch try self.target(of: path) {
        case .builtIn: return ActorKind(isInline: true)
        case .defined(let applied, let definition):
            let limit =
                switch definition.handler {
                case .exec(let exec): exec.timeout
                }
            return ActorKind(
                isInline: false, mailboxLimit: definition.mailboxLimit, turnLimit: limit + Self.slack,
                retry: definition.retry ?? .standard, isPlaced: true,
                isMobile: !definition.placement.isEmpty, revision: Self.revision(of: applied))
        }
    }

    /// A reserved path belongs to a built-in actor or to nobody.
    func target(of path: ActorPath) throws(MeshError) -> ActorTarget {
        if path.isReserved {
            guard let builtIn = BuiltIn(path) else {
                throw MeshError(
                    .notFound, "there is no built-in actor at \(path)", hint: "built in are \(BuiltIn.known)")
            }
            return .builtIn(builtIn)
        }
        guard let applied = self.definitions.resolve(path), let definition = applied.definition else {
            throw MeshError(
                .notFound, "no definition matches \(path)",
                hint: "apply one with `meshnode apply -f FILE`; `meshnode get` lists those that are there")
        }
        return .defined(applied, definition)
    }

    private static func revision(of applied: AppliedDefinition) -> UInt64 {
        sipHash24(Array(applied.name.utf8), key: (applied.version, mix(applied.origin.high, applied.origin.low)))
    }
}

/// Schedules of timers as `Cron` reads them, in UTC; anything else never fires again.
struct CronSchedules: TimerSchedules {
    func next(of schedule: String, after wall: UInt64) -> UInt64? {
        guard let cron = try? Cron(parsing: schedule) else { return nil }
        return cron.next(after: wall)
    }
}

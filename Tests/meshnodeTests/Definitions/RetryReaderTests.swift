import MeshCore
import Testing

@testable import meshnode

@Suite("Retry rules in definitions") struct RetryReaderTests {
    private static func read(_ retry: String) throws(MeshError) -> RetryPolicy? {
        let text =
            "apiVersion: meshnode/v1\nkind: Actor\nmetadata: {name: a}\nspec:\n  path: /a/{k}\n"
            + "  handler: {exec: {command: [cat]}}\n  retry: \(retry)\n"
        return try DefinitionReader.read(Array(text.utf8)).first?.retry
    }

    @Test("rules arrive in their order, with their defaults") func rules() throws {
        let policy = try Self.read(
            """

                - errors: [rate_limited, timeout]
                  backoff: exponential
                  first: 500ms
                  factor: 1.5
                  max: 1m
                  jitter: 20%
                  attempts: 8
                - {errors: [bad_input], backoff: never}
                - {backoff: linear, first: 2s}
                - {backoff: constant}
                - {backoff: exponential, first: 1m}
            """)
        let minute = Duration.seconds(60)
        #expect(
            policy?.rules == [
                .init(
                    [FailureType("rate_limited"), .timeout], attemptsMax: 8,
                    backoff: Backoff(
                        .exponential(thousandths: 1500), first: .milliseconds(500), max: minute, jitter: 20)),
                .init(
                    [FailureType("bad_input")], attemptsMax: 1,
                    backoff: Backoff(.constant, first: .milliseconds(200), max: .milliseconds(200))),
                .init(attemptsMax: 5, backoff: Backoff(.linear, first: .seconds(2), max: .seconds(30))),
                .init(
                    attemptsMax: 5, backoff: Backoff(.constant, first: .milliseconds(200), max: .milliseconds(200))),
                .init(attemptsMax: 5, backoff: Backoff(.exponential(thousandths: 2000), first: minute, max: minute)),
            ])
        #expect(try Self.read("") == nil)
    }

    @Test(
        "factors are read to the thousandth", arguments: [("2", 2000), ("1.001", 1001), ("1.25", 1250), ("10", 10_000)])
    func factors(_ text: String, _ thousandths: Int) throws {
        let policy = try Self.read("[{backoff: exponential, factor: \(text)}]")
        #expect(policy?.rules.first?.backoff.growth == .exponential(thousandths: thousandths))
    }

    @Test(
        "a mistake is named, with its place",
        arguments: [
            ("never", "line 7, column 10: spec.retry is a list of 1 to 16 rules"), ("[]", "spec.retry is a list"),
            ("[{first: 1s}]", "a rule of retry lacks 'backoff'"), ("[{backoff: slow}]", "unknown backoff 'slow'"),
            ("[{backoff: constant, on: [a]}]", "a rule of retry has no field 'on'"),
            ("[{backoff: constant, factor: 2}]", "line 7, column 31: the backoff constant has no factor"),
            ("[{backoff: never, attempts: 3}]", "the backoff never has no attempts"),
            ("[{backoff: linear, factor: 2}]", "the backoff linear has no factor"),
            ("[{backoff: exponential, factor: 1}]", "retry.factor is a number above 1"),
            ("[{backoff: exponential, factor: 10.001}]", "retry.factor"),
            ("[{backoff: exponential, factor: 99999999999999999999}]", "retry.factor"),
            ("[{backoff: exponential, factor: 1.0001}]", "retry.factor"),
            ("[{backoff: exponential, factor: -2}]", "retry.factor"),
            ("[{backoff: exponential, factor: '2.'}]", "retry.factor"),
            ("[{backoff: linear, first: 2s, max: 1s}]", "line 7, column 45: retry.max is shorter than retry.first"),
            ("[{backoff: linear, first: 0s}]", "retry.first is from"),
            ("[{backoff: linear, jitter: 20}]", "retry.jitter is 0% to 100%"),
            ("[{backoff: linear, jitter: 101%}]", "retry.jitter is 0% to 100%"),
            ("[{backoff: linear, attempts: 0}]", "retry.attempts is a whole number from 1 to 1000"),
            ("[{backoff: linear, errors: []}]", "retry.errors is a list of 1 to 32 names"),
            ("[{backoff: linear, errors: timeout}]", "retry.errors is a list of texts"),
            ("[{backoff: linear, errors: ['a b']}]", "retry.errors"),
        ])
    func mistakes(_ retry: String, _ message: String) {
        let error = #expect(throws: MeshError.self) { try Self.read(retry) }
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }
}
